-- Stores a job unless one with its idempotency key is known already.
-- KEYS: ready, scheduled, once
-- ARGV: id, seconds the key is kept, milliseconds or '' (at once), 1 if they
--       count from now, message
-- Returns: id of the job that has the key
-- Errors: OOM, WRONGTYPE
redis.call('LLEN', KEYS[1])
redis.call('ZCARD', KEYS[2])
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'EX', ARGV[2]) then
  return redis.call('GET', KEYS[3])
end
if ARGV[3] == '' then
  redis.call('RPUSH', KEYS[1], ARGV[5])
else
  local at = tonumber(ARGV[3])
  if ARGV[4] == '1' then at = at + now_ms() end
  redis.call('ZADD', KEYS[2], at, ARGV[5])
end
return ARGV[1]
