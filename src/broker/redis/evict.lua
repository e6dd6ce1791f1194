-- Removes result buckets that nobody wrote to since they were looked at.
-- KEYS: meta, buckets, result buckets...
-- ARGV: for each of these: name, last write
-- Returns: outcomes removed, results stored in all, their bytes
-- Errors: WRONGTYPE
redis.call('HDEL', KEYS[1], '')
local removed, bytes = 0, 0
for i = 3, #KEYS do
  local name, score = ARGV[2 * i - 5], tonumber(ARGV[2 * i - 4])
  if tonumber(redis.call('ZSCORE', KEYS[2], name) or nil) == score then
    local size = redis.call('HGET', KEYS[i], 'bytes')
    removed = removed + math.max(0, redis.call('HLEN', KEYS[i]) - 1)
    bytes = bytes + tonumber(size or '0')
    redis.call('UNLINK', KEYS[i])
    redis.call('ZREM', KEYS[2], name)
  end
end
-- Not -removed: that of 0 is "-0" in Lua, which is no number to Redis.
return {
  removed,
  redis.call('HINCRBY', KEYS[1], 'results', 0 - removed),
  redis.call('HINCRBY', KEYS[1], 'bytes', 0 - bytes),
}
