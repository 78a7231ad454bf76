-- ARGV: 2 incarnation, 3 length of a lease in ms. Answers 1; nil for a lease that is over.
local incarnation = ARGV[2]
local key = shard .. 'lease:' .. incarnation
local kept, expires_at = call('HGET', key, 'expires_at'), now + tonumber(ARGV[3])
if has_live_lease(incarnation, kept) then
  expires_at = math.max(tonumber(kept), expires_at)
else
  local closed_at = call('GET', shard .. 'closed:' .. incarnation)
  if closed_at and now < tonumber(closed_at) + CLOSED_MEMORY then return false end
end
call('SADD', shard .. 'dispatchers', incarnation)
call('HSET', key, 'expires_at', expires_at)
return 1
