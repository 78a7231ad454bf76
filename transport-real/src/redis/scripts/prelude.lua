-- The opening of every script. KEYS[1] is the prefix of the shard's keys ("mpcsfaas:{q0}:"): all
-- that a script touches has the same hash tag, so the declared key routes the call on a cluster.
-- ARGV[1] is the time in milliseconds, or empty for the server's own clock.
local shard, call = KEYS[1], redis.call
local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The same as text: Lua is slow to format a number, and does it anew each time.
local stamp = string.format('%d', now)

-- A lease ends at its expiry.
local function is_live(expires_at)
  return expires_at and now < tonumber(expires_at)
end
