-- Stores a job that is tied to something: an idempotency key, a unique key, a
-- group.
-- KEYS: meta, ready, scheduled, once, once of its unique key, unique, groups,
--       ring, due, cancelled, cancelled until
-- ARGV: id, seconds the idempotency key is kept or '' (none), unique key or '',
--       seconds it is kept or '' (until the job lets it go), 1 if the job that
--       has it is replaced, seconds for which a cancellation is kept, group or
--       '', milliseconds or '' (at once), 1 if they count from now, message
-- Returns: id of the job that is stored, id of the one that is replaced or ''
-- Errors: OOM, WRONGTYPE
local meta, id, unique, group = KEYS[1], ARGV[1], ARGV[3], ARGV[7]
redis.call('LLEN', KEYS[2])
redis.call('ZCARD', KEYS[3])
redis.call('HLEN', KEYS[6])
redis.call('HLEN', KEYS[7])
redis.call('LLEN', KEYS[8])
for i = 9, 11 do redis.call('ZCARD', KEYS[i]) end
local now, at = now_ms(), nil
if ARGV[8] ~= '' then at = tonumber(ARGV[8]) + (ARGV[9] == '1' and now or 0) end

if ARGV[2] ~= '' then
  local first = redis.call('GET', KEYS[4])
  if first then return { first, '' } end
end
local replaced = ''
if unique ~= '' then
  local other
  if ARGV[4] ~= '' then
    other = redis.call('GET', KEYS[5])
  else
    other = redis.call('HGET', KEYS[6], unique)
    -- One that is cancelled and waits is met, and lets its key go, much later.
    if other and redis.call('ZSCORE', KEYS[10], other) then other = false end
  end
  if other and ARGV[5] ~= '1' then return { other, '' } end
  if other then
    replaced = other
    redis.call('ZADD', KEYS[10], redis.call('HINCRBY', meta, 'cancels', 1), other)
    redis.call('ZADD', KEYS[11], math.max(now, at or 0) + 1000 * tonumber(ARGV[6]), other)
  end
  if ARGV[4] == '' then redis.call('HSET', KEYS[6], unique, id) else redis.call('SET', KEYS[5], id, 'EX', ARGV[4]) end
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[4], id, 'EX', ARGV[2]) end

if at then
  local message = ARGV[10]
  if group ~= '' then message = '\1' .. group .. '\n' .. id .. '\n' .. message end
  redis.call('ZADD', KEYS[3], at, message)
elseif group ~= '' then
  local limits = redis.call('HGET', meta, 'limits')
  local groups = open_groups(KEYS[7], KEYS[8], KEYS[9], limits and cjson.decode(limits), now)
  groups.add(meta, group, id, ARGV[10])
  groups.offer(meta, KEYS[2])
else
  redis.call('RPUSH', KEYS[2], ARGV[10])
end
return { id, replaced }
