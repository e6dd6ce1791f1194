-- Renews a worker's lease in a queue where it holds something.
-- KEYS: meta, workers, held
-- ARGV: worker
-- Returns: jobs it holds, schema version, number of cancellations
-- Errors: FENCED, WRONGTYPE
redis.call('HDEL', KEYS[1], '')
local place = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not place or tonumber(place) < 0 then
  return redis.error_reply('FENCED the lease has lapsed')
end
local meta = redis.call('HMGET', KEYS[1], 'tick', 'v', 'cancels')
redis.call('ZADD', KEYS[2], meta[1] or '0', ARGV[1])
return { redis.call('HLEN', KEYS[3]), tonumber(meta[2] or '1'), tonumber(meta[3] or '0') }
