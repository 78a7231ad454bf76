-- ARGV: task, attempt, owner, seat, worker or '', reason, effects each, from 5 on.
-- Answers a letter each: done (O) or Stale.
local verdicts = {}
for i = 5, #ARGV, 7 do
  local task, owner, worker = ARGV[i], ARGV[i + 2], ARGV[i + 4]
  local key = shard .. 'task:' .. task
  local row = call('HMGET', key, 'status', 'attempt', 'seat', 'holder')
  local verdict = 'S'
  if not row[1] then
    -- The row was deleted: without this, each renewal would list the task again.
    free(owner, task)
  elseif row[1] == 'RUNNING' and row[2] == ARGV[i + 1] and (row[3] or '0') == ARGV[i + 3]
    and dispatcher_of(row[4]) == owner then
    local holder = worker ~= '' and with_worker(row[4], worker) or row[4]
    free(owner, task)
    give_back(task, key, holder, ARGV[i + 5], ARGV[i + 6])
    verdict = 'O'
  end
  verdicts[#verdicts + 1] = verdict
end
settle_back()
return table.concat(verdicts)
