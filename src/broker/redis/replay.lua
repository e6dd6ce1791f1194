-- Takes an entry out of the failed set and puts its job at the end of ready, or
-- of its group.
-- KEYS: meta, failed, ready, unique, groups, ring, due, cancelled, cancelled
--       until, and its result bucket if it has an id
-- ARGV: entry, message, field in the result bucket or '', id, unique key or '',
--       group or ''
-- Returns: 1, 0 if the entry is not there any more, 2 if another job has its key
-- Errors: OOM, WRONGTYPE
redis.call('LLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
redis.call('HLEN', KEYS[5])
for i = 8, 9 do redis.call('ZCARD', KEYS[i]) end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
local id, unique, group = ARGV[4], ARGV[5], ARGV[6]
if unique ~= '' then
  local other = redis.call('HGET', KEYS[4], unique)
  if other and other ~= id and not redis.call('ZSCORE', KEYS[8], other) then return 2 end
  redis.call('HSET', KEYS[4], unique, id)
end
if ARGV[3] ~= '' then
  local size = redis.call('HSTRLEN', KEYS[10], ARGV[3])
  if redis.call('HDEL', KEYS[10], ARGV[3]) == 1 then
    redis.call('HINCRBY', KEYS[10], 'bytes', 0 - size)
    redis.call('HINCRBY', KEYS[1], 'results', -1)
    redis.call('HINCRBY', KEYS[1], 'bytes', 0 - size)
  end
end
if group == '' then
  redis.call('RPUSH', KEYS[3], ARGV[2])
else
  local limits = redis.call('HGET', KEYS[1], 'limits')
  local groups = open_groups(KEYS[5], KEYS[6], KEYS[7], limits and cjson.decode(limits), now_ms())
  groups.add(KEYS[1], group, id, ARGV[2])
  groups.offer(KEYS[1], KEYS[3])
end
for i = 8, 9 do redis.call('ZREM', KEYS[i], id) end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
