-- How long a closed lease is remembered, in ms. Redis forgets by itself.
local CLOSED_MEMORY = 60000

-- Ends a lease for good: a late copy of the request that opened it must not open it again.
local function close(incarnation)
  if call('DEL', shard .. 'lease:' .. incarnation) == 1 then
    call('SET', shard .. 'closed:' .. incarnation, stamp, 'PX', CLOSED_MEMORY)
    call('HDEL', shard .. 'standing', incarnation)
  end
end

-- Whether the lease with this expiry is live. One that is found to be over is closed, so that a
-- clock that is set back does not bring it back.
local function has_live_lease(incarnation, expires_at)
  if is_live(expires_at) then return true end
  if expires_at then close(incarnation) end
  return false
end
