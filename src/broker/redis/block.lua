-- Stores a job that waits until others have ended.
-- KEYS: meta, blocked, blocked due
-- ARGV: id, seconds after which the others are looked at, what is known of it
--       (JSON without line ends), message, ids of the others...
-- Returns: 1, or 0 if it is there already
-- Errors: OOM, WRONGTYPE
local blocked, id = KEYS[2], ARGV[1]
redis.call('ZCARD', KEYS[3])
if redis.call('HEXISTS', blocked, 'm:' .. id) == 1 then return 0 end
local waits = 0
for i = 5, #ARGV do waits = waits + redis.call('HSETNX', blocked, 'p:' .. id .. ':' .. ARGV[i], 1) end
local now = now_ms()
redis.call('HSET', blocked, 'n:' .. id, waits, 's:' .. id, now, 'm:' .. id, ARGV[3] .. '\n' .. ARGV[4])
redis.call('ZADD', KEYS[3], now + 1000 * tonumber(ARGV[2]), id)
redis.call('HINCRBY', KEYS[1], 'blocked', 1)
return 1
