-- ARGV: the tasks, from 2 on. Answers status, outcome each; nil where there is none.
local states = {}
for i = 2, #ARGV do
  local row = call('HMGET', shard .. 'task:' .. ARGV[i], 'status', 'outcome')
  states[#states + 1] = row[1]
  states[#states + 1] = row[2]
end
return states
