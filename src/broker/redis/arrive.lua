-- Others have ended for which jobs of this queue wait. One that waits for
-- nothing more is ready.
-- KEYS: meta, blocked, blocked due, ready, groups, ring, due
-- ARGV: for each: id of the job that waits, id of the one that has ended
-- Returns: jobs that are ready
-- Errors: WRONGTYPE
local meta, blocked, ready = KEYS[1], KEYS[2], KEYS[4]
redis.call('HDEL', meta, '')
redis.call('HLEN', blocked)
redis.call('ZCARD', KEYS[3])
redis.call('LLEN', ready)
redis.call('HLEN', KEYS[5])
redis.call('LLEN', KEYS[6])
redis.call('ZCARD', KEYS[7])
local moved, groups = 0, nil
for i = 1, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('HDEL', blocked, 'p:' .. id .. ':' .. ARGV[i + 1]) == 1
    and redis.call('HINCRBY', blocked, 'n:' .. id, -1) <= 0 then
    local text = redis.call('HGET', blocked, 'm:' .. id)
    local cut = string.find(text, '\n', 1, true)
    local message, group = string.sub(text, cut + 1), cjson.decode(string.sub(text, 1, cut - 1)).group
    if group then
      local limits = redis.call('HGET', meta, 'limits')
      groups = groups or open_groups(KEYS[5], KEYS[6], KEYS[7], limits and cjson.decode(limits), now_ms())
      groups.add(meta, group, id, message)
    else
      redis.call('RPUSH', ready, message)
    end
    redis.call('HDEL', blocked, 'm:' .. id, 'n:' .. id, 's:' .. id)
    redis.call('ZREM', KEYS[3], id)
    redis.call('HINCRBY', meta, 'blocked', -1)
    moved = moved + 1
  end
end
if groups then groups.offer(meta, ready) end
return moved
