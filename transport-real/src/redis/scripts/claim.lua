-- ARGV: 3 incarnation, 4 number, 5 max, 6 max suspects, 7 max losses, 8 the outcome of a task at
-- that limit; then the tasks to leave where they are.
-- Answers task, attempt, spec, params, losses each; nil without a live lease.
local incarnation, number, max = ARGV[3], ARGV[4], tonumber(ARGV[5])
local lease = shard .. 'lease:' .. incarnation
local kept = call('HMGET', lease, 'expires_at', 'claim_number')
if not has_live_lease(incarnation, kept[1]) then return false end

-- The answers to the last 32 numbers are kept, each with its number in front. Five digits tell the rest
-- of a division by 32, and a number may exceed one of Lua's.
local slot = string.format('claim_answer:%d', tonumber(string.sub(number, -5)) % 32)

local claimed, count = {}, 0
local function add(task, attempt, spec, params, losses)
  local n = count * 5
  claimed[n + 1], claimed[n + 2], claimed[n + 3] = task, attempt, spec
  claimed[n + 4], claimed[n + 5] = params, losses
  count = count + 1
end

local last = kept[2] or '0'
if not greater(number, last) then
  local answer = call('HGET', lease, slot) or ''
  if string.match(answer, '^%d+') == number then
    for task, attempt in string.gmatch(answer, '(%S+) (%d+)\n') do
      local row = call('HMGET', shard .. 'task:' .. task, 'status', 'attempt', 'spec', 'params',
        'losses', 'holder')
      if row[1] == 'RUNNING' and row[2] == attempt and dispatcher_of(row[6]) == incarnation then
        add(task, attempt, row[3], row[4], row[5] or '0')
      end
    end
  end
  return claimed
end

local except, answer, owned = {}, { number .. '\n' }, {}
for i = 9, #ARGV do except[ARGV[i]] = true end
local holder, max_losses = incarnation .. ' ' .. stamp .. ' -', tonumber(ARGV[7])

local function take(task, key, row, losses)
  local attempt = string.format('%d', row[2] + 1)
  if row[3] then
    call('HSET', key, 'status', 'RUNNING', 'attempt', attempt, 'holder', holder, 'seat', '0')
  else
    call('HSET', key, 'status', 'RUNNING', 'attempt', attempt, 'holder', holder)
  end
  owned[#owned + 1] = task
  owned[#owned + 1] = attempt .. ' 0'
  answer[#answer + 1] = task .. ' ' .. attempt .. '\n'
  add(task, attempt, row[4], row[5], losses)
end

-- Charges a marked loss first (R14).
local function take_suspect(task, key, row)
  local blame = call('HMGET', key, 'losses', 'marked')
  local losses = blame[1] or '0'
  if blame[2] == '1' then
    losses = string.format('%d', losses + 1)
    call('HSET', key, 'losses', losses, 'marked', '0')
  end
  if tonumber(losses) < max_losses then
    take(task, key, row, losses)
  else
    finish(task, key, 'FAILED', ARGV[8], '')
  end
end

-- Walks a queue from the front, claims each task that is there and not excepted, and takes out
-- what it has seen. A task whose row was deleted goes the same way, unclaimed.
local function walk(queue, limit, claim)
  local key, at, seen, skipped = shard .. queue, 0, {}, false
  while count < limit do
    local tasks = call('ZRANGE', key, at, at + limit - count - 1)
    if #tasks == 0 then break end
    for i = 1, #tasks do
      local task = tasks[i]
      if except[task] then
        skipped = true
      else
        local row_key = shard .. 'task:' .. task
        local row = call('HMGET', row_key, 'status', 'attempt', 'seat', 'spec', 'params')
        if row[1] == 'QUEUED' then claim(task, row_key, row, '0') end
        seen[#seen + 1] = task
      end
    end
    at = at + #tasks
  end
  if skipped then
    call_with('ZREM', key, seen)
  elseif at > 0 then
    call('ZREMRANGEBYRANK', key, 0, at - 1)
  end
end

walk('suspects', math.min(tonumber(ARGV[6]), max), take_suspect)
walk('ready', max, take)
call_with('HSET', shard .. 'owned:' .. incarnation, owned)
call('HSET', lease, 'claim_number', number, slot, table.concat(answer))
settle()
return claimed
