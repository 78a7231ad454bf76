-- ARGV: 3 incarnation, 4 number, 5 max, 6 max suspects, 7 max losses, 8 the outcome of a task at
-- that limit, 9 how long places stand open, in ms, 10 how many there are; then the tasks to leave where they
-- are.
-- Answers task, attempt, spec, params, losses each; nil without a live lease.
local incarnation, number, max = ARGV[3], ARGV[4], tonumber(ARGV[5])
local lease = shard .. 'lease:' .. incarnation
local slot = answer_slot(number)
local kept = call('HMGET', lease, 'expires_at', 'claim_number', 'asked', slot)
if not has_live_lease(incarnation, kept[1]) then return false end

local claimed, count = {}, 0
local function add(task, attempt, spec, params, losses)
  local n = count * 5
  claimed[n + 1], claimed[n + 2], claimed[n + 3] = task, attempt, spec
  claimed[n + 4], claimed[n + 5] = params, losses
  count = count + 1
end

-- What was claimed under this number before and has not moved on since.
local answer = { number .. '\n' }
local known = kept[4] or ''
if string.match(known, '^%d+') == number then
  for task, attempt in string.gmatch(known, '(%S+) (%d+)\n') do
    local row = call('HMGET', shard .. 'task:' .. task, 'status', 'attempt', 'spec', 'params',
      'losses', 'holder')
    if row[1] == 'RUNNING' and row[2] == attempt and dispatcher_of(row[6]) == incarnation then
      add(task, attempt, row[3], row[4], row[5] or '0')
      answer[#answer + 1] = task .. ' ' .. attempt .. '\n'
    end
  end
end
-- One that was carried out ahead is asked for the first time: there may be more by now.
local last = kept[2] or '0'
if not greater(number, kept[3] or last) then return claimed end
if greater(number, last) then last = number end

local except, owned = {}, {}
for i = 11, #ARGV do except[ARGV[i]] = true end
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

walk('suspects', math.min(count + tonumber(ARGV[6]), max), take_suspect)
walk('ready', max, take)
call_with('HSET', shard .. 'owned:' .. incarnation, owned)
call('HSET', lease, 'claim_number', last, 'asked', number, slot, table.concat(answer))
-- Places are left open for new tasks, unless later claims were carried out ahead and not heard of.
local left = tonumber(ARGV[10]) - count
if left > 0 and number == last then
  local over = now + tonumber(ARGV[9])
  call('HSET', shard .. 'standing', incarnation, string.format('%d %d', left, over))
else
  call('HDEL', shard .. 'standing', incarnation)
end
settle()
return claimed
