-- ARGV: 2 task. Answers the fields in this order, then how many tasks are ahead of it.
local row = call('HMGET', shard .. 'task:' .. ARGV[2], 'function', 'options', 'status', 'attempt',
  'losses', 'submitted_at', 'finished_at', 'holder', 'past', 'outcome', 'marked')
if not row[3] then return false end
local queue = (row[11] == '1' or tonumber(row[5] or 0) > 0) and 'suspects' or 'ready'
row[11] = row[3] == 'QUEUED' and call('ZRANK', shard .. queue, ARGV[2])
return row
