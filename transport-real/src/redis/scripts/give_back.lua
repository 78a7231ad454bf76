-- How tasks go back to the queue. ARGV[3]: the outcome of an at-most-once task that was lost,
-- ARGV[4]: how many past attempts a task remembers.
local lost, past_limit = ARGV[3], tonumber(ARGV[4])
local ready_again, suspected = {}, {}

-- The newest attempt first, one a line: "<attempt> <holder> <ended at> <reason>".
local function remember(past, attempt, holder, reason)
  past = attempt .. ' ' .. holder .. ' ' .. stamp .. ' ' .. reason .. '\n' .. past
  local cut = 0
  for _ = 1, past_limit do
    cut = string.find(past, '\n', cut + 1, true)
    if not cut then return past end
  end
  return string.sub(past, 1, cut)
end

-- RUNNING -> QUEUED at its old place, or FAILED where it may not run again (R16). The effects of
-- the reason are told by the caller: "loss" marks a loss, "started" means that it may have begun.
local function give_back(task, key, holder, reason, effects)
  local row = call('HMGET', key, 'attempt', 'spec', 'losses', 'past')
  local seq, once = string.match(row[2], '^%S+ (%S+) %S+ (.)')
  local past = remember(row[4] or '', row[1], holder, reason)
  if once == '1' and string.find(effects, 'started', 1, true) then
    call('HSET', key, 'past', past)
    finish(task, key, 'FAILED', lost, '')
    return
  end
  local loss = string.find(effects, 'loss', 1, true)
  call('HSET', key, 'status', 'QUEUED', 'holder', '', 'past', past, 'marked', loss and '1' or '0')
  local queue = (loss or tonumber(row[3] or 0) > 0) and suspected or ready_again
  queue[#queue + 1] = seq
  queue[#queue + 1] = task
end

local function settle_back()
  settle()
  call_with('ZADD', shard .. 'ready', ready_again)
  call_with('ZADD', shard .. 'suspects', suspected)
  if #ready_again + #suspected > 0 then call('PUBLISH', shard .. 'doorbell', '') end
end
