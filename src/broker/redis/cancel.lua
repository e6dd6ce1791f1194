-- Cancels a job that has no outcome yet. Whoever reserves it next drops it.
-- KEYS: meta, cancelled, cancelled until, buckets, its result bucket, awaited,
--       arrivals, blocked, blocked due
-- ARGV: id, seconds for which the note is kept at least, moment from which the
--       job may run in ms, name of its bucket, field, outcome or '' (keep
--       none), channel, 1 (it was taken out: nobody is to meet it) or ''
-- Returns: 0 if it has an outcome, else 1, or 2 if others wait for its end
-- Errors: OOM, WRONGTYPE
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[3])
redis.call('ZCARD', KEYS[4])
redis.call('HLEN', KEYS[6])
redis.call('LLEN', KEYS[7])
redis.call('ZCARD', KEYS[9])
local text = redis.call('HGET', KEYS[8], 'm:' .. ARGV[1])
if redis.call('HEXISTS', KEYS[5], ARGV[5]) == 1 then
  -- Nobody is to look for it, if it was replaced after it had ended.
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end
local now = now_ms()
if text then
  -- It waits for others: nobody is to meet it any more.
  local known = cjson.decode(string.sub(text, 1, string.find(text, '\n', 1, true) - 1))
  for _, other in ipairs(known.after) do redis.call('HDEL', KEYS[8], 'p:' .. ARGV[1] .. ':' .. other.id) end
  redis.call('HDEL', KEYS[8], 'm:' .. ARGV[1], 'n:' .. ARGV[1], 's:' .. ARGV[1])
  redis.call('ZREM', KEYS[9], ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'blocked', -1)
elseif ARGV[8] == '' then
  local cancels = redis.call('HINCRBY', KEYS[1], 'cancels', 1)
  redis.call('ZADD', KEYS[2], cancels, ARGV[1])
  redis.call('ZADD', KEYS[3], math.max(now, tonumber(ARGV[3])) + 1000 * tonumber(ARGV[2]), ARGV[1])
end
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[5], ARGV[5], ARGV[6])
  redis.call('HINCRBY', KEYS[5], 'bytes', #ARGV[6])
  redis.call('ZADD', KEYS[4], now, ARGV[4])
  redis.call('HINCRBY', KEYS[1], 'results', 1)
  redis.call('HINCRBY', KEYS[1], 'bytes', #ARGV[6])
  redis.call('PUBLISH', ARGV[7], ARGV[5])
  local waiting = redis.call('HGET', KEYS[6], ARGV[1])
  if waiting then
    redis.call('RPUSH', KEYS[7], ARGV[1] .. '\n' .. waiting)
    redis.call('HDEL', KEYS[6], ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'awaited', -1)
    return 2
  end
end
return 1
