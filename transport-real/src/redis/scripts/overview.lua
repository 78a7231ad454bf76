-- Answers the length of the queue, then incarnation, report of each dispatcher with a live lease.
local seen = { call('ZCARD', shard .. 'ready') + call('ZCARD', shard .. 'suspects') }
local dispatchers = call('SMEMBERS', shard .. 'dispatchers')
for i = 1, #dispatchers do
  local lease = call('HMGET', shard .. 'lease:' .. dispatchers[i], 'expires_at', 'report')
  if is_live(lease[1]) then
    seen[#seen + 1] = dispatchers[i]
    seen[#seen + 1] = lease[2]
  end
end
return seen
