-- Stores a schedule. Not allowed when the server is full.
-- KEYS: schedules, schedule_due
-- ARGV: name, definition, next due time
-- Returns: 1, or 0 if it has this definition already
-- Errors: OOM, WRONGTYPE
local before = redis.call('HGET', KEYS[1], ARGV[1])
local paused = before and not redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('ZCARD', KEYS[2])
if before == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if not paused then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) end
return 1
