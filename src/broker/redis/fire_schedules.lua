-- Puts jobs of schedules that are due into ready, or in line of their groups.
-- Not allowed when the server is full.
-- KEYS: ready, schedules, schedule_due, meta, unique, groups, ring, due, cancelled
-- ARGV: for each: name, SHA-1 of its definition, due time, next due time,
--       number of messages, for each of these: id, unique key or '', group or
--       '', message
-- Returns: how many were as described; the others did nothing
-- Errors: OOM, WRONGTYPE
local ready, meta, unique = KEYS[1], KEYS[4], KEYS[5]
redis.call('LLEN', ready)
redis.call('HLEN', unique)
redis.call('HLEN', KEYS[6])
redis.call('LLEN', KEYS[7])
redis.call('ZCARD', KEYS[8])
redis.call('ZCARD', KEYS[9])
local fired, i, groups = 0, 1, nil

local function send(id, key, group, message)
  if key ~= '' then
    local other = redis.call('HGET', unique, key)
    if other and not redis.call('ZSCORE', KEYS[9], other) then return end
    redis.call('HSET', unique, key, id)
  end
  if group == '' then
    redis.call('RPUSH', ready, message)
    return
  end
  if not groups then
    local limits = redis.call('HGET', meta, 'limits')
    groups = open_groups(KEYS[6], KEYS[7], KEYS[8], limits and cjson.decode(limits), now_ms())
  end
  groups.add(meta, group, id, message)
end

while i <= #ARGV do
  local name, digest, due, next_due, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local definition = redis.call('HGET', KEYS[2], name) or ''
  local score = redis.call('ZSCORE', KEYS[3], name)
  if score and tonumber(score) == tonumber(due) and redis.sha1hex(definition) == digest then
    for n = i + 5, i + 1 + 4 * count, 4 do
      send(ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3])
    end
    redis.call('ZADD', KEYS[3], next_due, name)
    fired = fired + 1
  end
  i = i + 5 + 4 * count
end
if groups then groups.offer(meta, ready) end
return fired
