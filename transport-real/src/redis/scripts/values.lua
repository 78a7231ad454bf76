-- How values are written, compared and passed on.

-- Calls a command with arguments of any number. Lua's stack bounds one call; the chunk is even,
-- so that pairs stay together.
local function call_with(command, key, arguments)
  for first = 1, #arguments, 1000 do
    call(command, key, unpack(arguments, first, math.min(first + 999, #arguments)))
  end
end

-- Whether decimal a is greater than decimal b, either of which may exceed a Lua number.
local function greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

-- A holder is "<dispatcher> <claimed at> <worker>"; the dispatcher's width is fixed.
local function dispatcher_of(holder)
  return string.sub(holder, 1, 29)
end

local function with_worker(holder, worker)
  return string.match(holder, '^%S+ %S+ ') .. worker
end

-- The answers to the last 64 claims are kept, each with its number in front. Six digits tell the rest of a
-- division by 64, and a number may exceed one of Lua's.
local function answer_slot(number)
  return string.format('claim_answer:%d', tonumber(string.sub(number, -6)) % 64)
end

-- Takes the current attempt back out of the past: it is alive after all. Answers its holder.
local function recall(key, attempt)
  local past = call('HGET', key, 'past') or ''
  local last, holder, rest = string.match(past, '^(%d+) (%S+ %S+ %S+) %S+ %S+\n(.*)$')
  if last ~= attempt then return nil end
  call('HSET', key, 'past', rest)
  return holder
end
