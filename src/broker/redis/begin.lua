-- Marks a suspect as begun: token <batch>:<index>:s becomes ...:r.
-- KEYS: meta, workers, held
-- ARGV: worker, token, token once begun
-- Returns: the token once begun
-- Errors: FENCED (also: not held any more), WRONGTYPE
redis.call('HDEL', KEYS[1], '')
local place = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not place or tonumber(place) < 0 then
  return redis.error_reply('FENCED the lease has lapsed')
end
local message = redis.call('HGET', KEYS[3], ARGV[2])
if message and ARGV[2] ~= ARGV[3] then
  redis.call('HSET', KEYS[3], ARGV[3], message)
  redis.call('HDEL', KEYS[3], ARGV[2])
elseif redis.call('HEXISTS', KEYS[3], ARGV[3]) == 0 then
  return redis.error_reply('FENCED the job is not held any more')
end
return ARGV[3]
