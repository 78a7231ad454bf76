-- ARGV: 3 task, 4 the outcome. Answers a letter: Done, already Ended, Unknown.
local task = ARGV[3]
local key = shard .. 'task:' .. task
local row = call('HMGET', key, 'status', 'holder')
if not row[1] then return 'U' end
if row[1] == 'RUNNING' then
  free(dispatcher_of(row[2]), task)
elseif row[1] == 'QUEUED' then
  unqueued[1] = task
else
  return 'E'
end
finish(task, key, 'FAILED', ARGV[4], row[2] or '')
settle()
return 'D'
