-- ARGV: 2 task. Answers the fields in this order, then how many tasks are ahead of it.
local row = call('HMGET', shard .. 'task:' .. ARGV[2], 'spec', 'status', 'attempt', 'losses',
  'finished_at', 'holder', 'past', 'outcome', 'marked')
if not row[2] then return false end
local queue = (row[9] == '1' or tonumber(row[4] or 0) > 0) and 'suspects' or 'ready'
row[9] = row[2] == 'QUEUED' and call('ZRANK', shard .. queue, ARGV[2])
return row
