-- ARGV: task, attempt, worker or '', status, outcome each, from 3 on.
-- Answers a letter each: done (O) or Stale.
local verdicts = {}
for i = 3, #ARGV, 5 do
  local task, attempt, worker = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = shard .. 'task:' .. task
  local row = call('HMGET', key, 'status', 'attempt', 'holder')
  local status, holder = row[1], row[3]
  if row[2] ~= attempt or not (status == 'RUNNING' or status == 'QUEUED') then
    verdicts[#verdicts + 1] = 'S'
  else
    if status == 'RUNNING' then
      free(dispatcher_of(holder), task)
    else
      unqueued[#unqueued + 1] = task
      holder = recall(key, attempt)
    end
    if holder and worker ~= '' then holder = with_worker(holder, worker) end
    finish(task, key, ARGV[i + 3], ARGV[i + 4], holder or '')
    verdicts[#verdicts + 1] = 'O'
  end
end
settle()
return table.concat(verdicts)
