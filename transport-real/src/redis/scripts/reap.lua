-- ARGV: 5 the reason, 6 its effects, 7 how many tasks at most.
-- Answers how many tasks were given back, and 1 if more wait.
local reason, effects, limit = ARGV[5], ARGV[6], tonumber(ARGV[7])
local dispatchers = call('SMEMBERS', shard .. 'dispatchers')
table.sort(dispatchers)

-- First close the leases: from here on their owners can claim and adopt nothing.
local orphaned = {}
for i = 1, #dispatchers do
  local expires_at = call('HGET', shard .. 'lease:' .. dispatchers[i], 'expires_at')
  if not has_live_lease(dispatchers[i], expires_at) then
    orphaned[#orphaned + 1] = dispatchers[i]
  end
end

local seen, given, more = 0, 0, 0
for i = 1, #orphaned do
  local dispatcher = orphaned[i]
  local tasks = call('HKEYS', shard .. 'owned:' .. dispatcher)
  table.sort(tasks)
  for j = 1, #tasks do
    if seen == limit then
      more = 1
      break
    end
    seen = seen + 1
    local key = shard .. 'task:' .. tasks[j]
    local row = call('HMGET', key, 'status', 'holder')
    free(dispatcher, tasks[j])
    if row[1] == 'RUNNING' then
      given = given + 1
      give_back(tasks[j], key, row[2], reason, effects)
    end
  end
  if more == 1 then break end
  call('SREM', shard .. 'dispatchers', dispatcher)
end
settle_back()
return { given, more }
