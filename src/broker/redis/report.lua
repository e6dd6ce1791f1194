-- Stores the health of a worker for a while.
-- KEYS: record of the worker
-- ARGV: seconds it is kept, field, value, field, value, ...
-- Returns: OK
-- Errors: OOM, WRONGTYPE
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.status_reply('OK')
