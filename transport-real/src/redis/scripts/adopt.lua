-- ARGV: 2 incarnation; then task, attempt, session, worker each.
-- Answers a letter each: done (O) or Stale; nil without a live lease.
local incarnation = ARGV[2]
local expires_at = call('HGET', shard .. 'lease:' .. incarnation, 'expires_at')
if not has_live_lease(incarnation, expires_at) then return false end

local function adopt(task, attempt, session, worker)
  local key = shard .. 'task:' .. task
  local row = call('HMGET', key, 'status', 'attempt', 'seat', 'holder')
  local status, seat, holder = row[1], row[3] or '0', row[4]
  if row[2] ~= attempt or not (status == 'RUNNING' or status == 'QUEUED') then return 'S' end
  local repeated = status == 'RUNNING' and session == seat and dispatcher_of(holder) == incarnation
  if not (repeated or greater(session, seat)) then return 'S' end
  if status == 'RUNNING' then
    call('HDEL', shard .. 'owned:' .. dispatcher_of(holder), task)
  else
    call('ZREM', shard .. 'ready', task)
    call('ZREM', shard .. 'suspects', task)
    holder = recall(key, attempt)
  end
  local claimed_at = holder and string.match(holder, '^%S+ (%S+) ') or stamp
  call('HSET', key, 'status', 'RUNNING', 'marked', '0', 'seat', session,
    'holder', incarnation .. ' ' .. claimed_at .. ' ' .. worker)
  call('HSET', shard .. 'owned:' .. incarnation, task, attempt .. ' ' .. session)
  return 'O'
end

local verdicts = {}
for i = 3, #ARGV, 4 do
  verdicts[#verdicts + 1] = adopt(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end
return table.concat(verdicts)
