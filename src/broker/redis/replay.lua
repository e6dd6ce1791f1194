-- Takes an entry out of the failed set and puts its job at the end of ready.
-- KEYS: meta, failed, ready, and its result bucket if it has an id
-- ARGV: entry, message, field in the result bucket or ''
-- Returns: 1, or 0 if the entry is not there any more
-- Errors: OOM, WRONGTYPE
redis.call('LLEN', KEYS[3])
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
if ARGV[3] ~= '' then
  local size = redis.call('HSTRLEN', KEYS[4], ARGV[3])
  if redis.call('HDEL', KEYS[4], ARGV[3]) == 1 then
    redis.call('HINCRBY', KEYS[4], 'bytes', 0 - size)
    redis.call('HINCRBY', KEYS[1], 'results', -1)
    redis.call('HINCRBY', KEYS[1], 'bytes', 0 - size)
  end
end
redis.call('RPUSH', KEYS[3], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
