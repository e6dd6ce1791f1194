-- Pauses or resumes a queue, or sets its limits.
-- KEYS: meta, workers, then what each of some workers holds...
-- ARGV: paused (1, 0 or '' as it is), limits as JSON ('' none, '-' as they
--       are), names of those workers...
-- Returns: 1, or 0 if there are other workers: to be done again
-- Errors: OOM, WRONGTYPE
if ARGV[1] == '1' then redis.call('HSET', KEYS[1], 'paused', 1) end
if ARGV[1] == '0' then redis.call('HDEL', KEYS[1], 'paused') end
if ARGV[2] == '-' then return 1 end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'limits', 'held')
  return 1
end
-- From now on every script counts what is held; what is held already is counted here.
if redis.call('HEXISTS', KEYS[1], 'held') == 0 then
  local given, held = {}, 0
  for i = 3, #ARGV do given[ARGV[i]] = KEYS[i] end
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], 0, '+inf')) do
    if not given[worker] then return 0 end
    held = held + redis.call('HLEN', given[worker])
  end
  redis.call('HSET', KEYS[1], 'held', held)
end
redis.call('HSET', KEYS[1], 'limits', ARGV[2])
return 1
