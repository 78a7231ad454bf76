-- How tasks end. Rows are written at once; what belongs into one list or message is collected,
-- and `settle` writes it: the last thing that a script does. ARGV[2]: the retention in ms.
local retention = ARGV[2]
local ended, freed, unqueued = {}, {}, {}

-- An outcome that is told with the hint may take so many bytes, and all of one hint together.
local HINT_LIMIT, HINT_TOTAL = 4096, 65536
local hinted = 0

-- What is told of an ending: the task, a letter for the status, and the outcome with its length in
-- front; the letter '-' alone if the outcome is left out.
local function hint(task, status, outcome)
  local length = #outcome
  if length > HINT_LIMIT or hinted + length > HINT_TOTAL then return task .. '-' end
  hinted = hinted + length
  return task .. string.sub(status, 1, 1) .. struct.pack('>I4', length) .. outcome
end

-- The dispatcher no longer owns the task.
local function free(dispatcher, task)
  local tasks = freed[dispatcher]
  if tasks then
    tasks[#tasks + 1] = task
  else
    freed[dispatcher] = { task }
  end
end

-- Writes an ending. The row goes by itself when its retention is over.
local function finish(task, key, status, outcome, holder)
  call('HSET', key, 'status', status, 'outcome', outcome, 'finished_at', stamp, 'params', '',
    'holder', holder)
  call('PEXPIRE', key, retention)
  ended[#ended + 1] = hint(task, status, outcome)
end

local function settle()
  for dispatcher, tasks in pairs(freed) do
    call_with('HDEL', shard .. 'owned:' .. dispatcher, tasks)
  end
  call_with('ZREM', shard .. 'ready', unqueued)
  call_with('ZREM', shard .. 'suspects', unqueued)
  if #ended > 0 then call('PUBLISH', shard .. 'ended', table.concat(ended)) end
end
