-- ARGV: 2 queue limit; then task, function, options, params each. What never changes is one field,
-- the spec: "<function> <place in the queue> <submitted at> <options>".
-- Answers a letter a task: Accepted, Conflict, queue Full.
local ready = shard .. 'ready'
local waiting = call('ZCARD', ready)
local room = tonumber(ARGV[2]) - waiting - call('ZCARD', shard .. 'suspects')
local seq = tonumber(call('GET', shard .. 'seq') or 0)
local verdicts, queued = {}, {}
if waiting == 0 then open_places() end
for i = 3, #ARGV, 4 do
  local task, run = ARGV[i], ARGV[i + 1]
  local key = shard .. 'task:' .. task
  local known = call('HGET', key, 'spec')
  local verdict
  if known then
    verdict = string.sub(known, 1, #run) == run and 'A' or 'C'
  elseif room <= 0 then
    verdict = 'F'
  else
    verdict, seq = 'A', seq + 1
    local place = string.format('%d', seq)
    local options, params = ARGV[i + 2], ARGV[i + 3]
    local spec = run .. ' ' .. place .. ' ' .. stamp .. ' ' .. options
    -- Nobody overtakes who waits; and what may start once only waits for a dispatcher that asks.
    local ahead = #queued == 0 and string.sub(options, 1, 1) ~= '1'
    local holder = ahead and take_place(task, spec, params)
    if holder then
      call('HSET', key, 'status', 'RUNNING', 'attempt', '1', 'params', params, 'spec', spec,
        'holder', holder)
    else
      room = room - 1
      call('HSET', key, 'status', 'QUEUED', 'attempt', '0', 'params', params, 'spec', spec)
      queued[#queued + 1] = place
      queued[#queued + 1] = task
    end
  end
  verdicts[#verdicts + 1] = verdict
end
if #queued + #used > 0 then call('SET', shard .. 'seq', seq) end
close_places()
if #queued > 0 then
  call_with('ZADD', ready, queued)
  -- When the queue stops being empty, and whenever so many more wait.
  local BELL_EVERY = 256
  local rung = math.ceil(waiting / BELL_EVERY)
  for _ = rung + 1, math.ceil((waiting + #queued / 2) / BELL_EVERY) do
    call('PUBLISH', shard .. 'doorbell', '')
  end
end
return table.concat(verdicts)
