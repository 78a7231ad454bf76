-- ARGV: 2 incarnation, 3 length of a lease in ms.
local key = shard .. 'lease:' .. ARGV[2]
local expires_at = now + tonumber(ARGV[3])
local kept = call('HGET', key, 'expires_at')
call('SADD', shard .. 'dispatchers', ARGV[2])
call('HSET', key, 'expires_at', kept and math.max(tonumber(kept), expires_at) or expires_at)
return 1
