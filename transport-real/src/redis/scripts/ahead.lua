-- Claims that a submit carries out ahead: new tasks take the places that a dispatcher's last claim has left
-- open (R1).
local AHEAD, NUMBER_LIMIT, HINT_BYTES = 32, 9007199254740992, 65536
-- Whose places are open, those with the fewest first.
local open, used = {}, {}

local function open_places()
  local standing = call('HGETALL', shard .. 'standing')
  for i = 1, #standing, 2 do
    local dispatcher = standing[i]
    local left, over = string.match(standing[i + 1], '^(%d+) (%d+)$')
    local lease = call('HMGET', shard .. 'lease:' .. dispatcher, 'expires_at', 'claim_number', 'asked')
    local number = tonumber(lease[2] or 0) + 1
    if now < tonumber(over) and is_live(lease[1]) and number < NUMBER_LIMIT
      and number <= tonumber(lease[3] or 0) + AHEAD
    then
      open[#open + 1] = { who = dispatcher, left = tonumber(left), over = over, number = number }
    end
  end
  table.sort(open, function(a, b)
    if a.left ~= b.left then return a.left < b.left end
    return a.who > b.who
  end)
end

-- Takes a place for a new task. Answers its holder, or nil if none is open.
local function take_place(task, spec, params)
  local place = open[#open]
  if not place then return nil end
  if not place.owned then
    place.owned, place.answer, place.hint, place.bytes = {}, {}, {}, 0
    used[#used + 1] = place
  end
  place.left = place.left - 1
  if place.left == 0 then open[#open] = nil end
  local owned, hint = place.owned, place.hint
  owned[#owned + 1] = task
  owned[#owned + 1] = '1 0'
  place.answer[#place.answer + 1] = task .. ' 1\n'
  place.bytes = place.bytes + #params
  if place.bytes <= HINT_BYTES then
    hint[#hint + 1] = task .. struct.pack('>I4', #spec) .. spec .. struct.pack('>I4', #params)
    hint[#hint + 1] = params
  end
  return place.who .. ' ' .. stamp .. ' -'
end

-- Keeps what was claimed as the answer to each dispatcher's next number, and tells it.
local function close_places()
  for i = 1, #used do
    local place = used[i]
    local who, number = place.who, string.format('%.0f', place.number)
    call_with('HSET', shard .. 'owned:' .. who, place.owned)
    call('HSET', shard .. 'lease:' .. who, 'claim_number', number,
      answer_slot(number), number .. '\n' .. table.concat(place.answer))
    if place.left > 0 then
      call('HSET', shard .. 'standing', who, string.format('%d %s', place.left, place.over))
    else
      call('HDEL', shard .. 'standing', who)
    end
    local hint = ''
    if place.bytes <= HINT_BYTES then
      hint = who .. ' ' .. number .. '\n' .. table.concat(place.hint)
    end
    call('PUBLISH', shard .. 'doorbell', hint)
  end
end
