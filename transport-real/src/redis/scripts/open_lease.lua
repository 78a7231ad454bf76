-- ARGV: 2 incarnation, 3 length of a lease in ms, 4 how long a closed one is remembered, in ms.
-- Answers 1; nil for a lease that is over.
local key = shard .. 'lease:' .. ARGV[2]
local closed_at = call('GET', shard .. 'closed:' .. ARGV[2])
local kept = call('HGET', key, 'expires_at')
if closed_at and now < tonumber(closed_at) + tonumber(ARGV[4]) then return false end
if kept and not is_live(kept) then return false end
local expires_at = now + tonumber(ARGV[3])
call('SADD', shard .. 'dispatchers', ARGV[2])
call('HSET', key, 'expires_at', kept and math.max(tonumber(kept), expires_at) or expires_at)
return 1
