-- Lets go of a unique key, if this job has it.
-- KEYS: meta, unique
-- ARGV: key, id
-- Returns: 1 if it had it, else 0
-- Errors: WRONGTYPE
redis.call('HDEL', KEYS[1], '')
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[2], ARGV[1])
