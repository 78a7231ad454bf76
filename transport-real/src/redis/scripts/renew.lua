-- ARGV: 2 incarnation, 3 length of a lease in ms, 4 report; then task, attempt, worker each.
-- Answers the owned tasks as task, "<attempt> <seat>" each; nil without a live lease.
local incarnation = ARGV[2]
local lease = shard .. 'lease:' .. incarnation
if not has_live_lease(incarnation, call('HGET', lease, 'expires_at')) then return false end
call('SADD', shard .. 'dispatchers', incarnation)
call('HSET', lease, 'expires_at', now + tonumber(ARGV[3]), 'report', ARGV[4])
for i = 5, #ARGV, 3 do
  local key = shard .. 'task:' .. ARGV[i]
  local row = call('HMGET', key, 'status', 'attempt', 'holder')
  if row[1] == 'RUNNING' and row[2] == ARGV[i + 1] and dispatcher_of(row[3]) == incarnation then
    call('HSET', key, 'holder', with_worker(row[3], ARGV[i + 2]))
  end
end
return call('HGETALL', shard .. 'owned:' .. incarnation)
