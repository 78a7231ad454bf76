-- ARGV: 5 the reason, 6 its effects, 7 incarnation. Answers how many tasks were given back.
local dispatcher = ARGV[7]
close(dispatcher)
call('SREM', shard .. 'dispatchers', dispatcher)
local tasks = call('HKEYS', shard .. 'owned:' .. dispatcher)
local given = 0
for i = 1, #tasks do
  local key = shard .. 'task:' .. tasks[i]
  local row = call('HMGET', key, 'status', 'holder')
  free(dispatcher, tasks[i])
  if row[1] == 'RUNNING' then
    given = given + 1
    give_back(tasks[i], key, row[2], ARGV[5], ARGV[6])
  end
end
settle_back()
return given
