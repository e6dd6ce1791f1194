-- The limits of groups have changed: jobs that these let go are in turn.
-- KEYS: meta, ready, groups, ring, due
-- ARGV: names of groups...
-- Returns: jobs that wait in groups
-- Errors: OOM, WRONGTYPE
redis.call('LLEN', KEYS[2])
redis.call('HLEN', KEYS[3])
redis.call('LLEN', KEYS[4])
redis.call('ZCARD', KEYS[5])
local state = redis.call('HMGET', KEYS[1], 'limits', 'grouped')
local groups = open_groups(KEYS[3], KEYS[4], KEYS[5], state[1] and cjson.decode(state[1]), now_ms())
for _, name in ipairs(ARGV) do groups.again(name) end
groups.offer(KEYS[1], KEYS[2])
return tonumber(state[2] or '0')
