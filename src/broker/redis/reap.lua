-- One step of the reaper: due jobs move; once a second the tick advances.
-- KEYS: meta, workers, scheduled, retry, lone, ready, suspect, crashed, inbox,
--       failed, buckets, groups, ring, due, cancelled, cancelled until, blocked
--       due, arrivals, schedule due
-- ARGV: a tick in ms, ticks of a lease, age of results in ms, age of the
--       failed set in ms
-- Returns: advanced (1 or 0), more (1 or 0), suspects and crashed (0 while
--       paused), lapsed workers, expired result buckets (name, last write, ...),
--       jobs that wait for others so long that these are to be looked at, how
--       many have ended for which others wait, schedules due
-- Errors: WRONGTYPE
local meta, workers, ready, suspect, inbox = KEYS[1], KEYS[2], KEYS[6], KEYS[7], KEYS[9]
redis.call('HDEL', meta, '')
local now = now_ms()
local state = redis.call('HMGET', meta, 'at', 'tick', 'limits', 'grouped', 'paused')
local limits = state[3] and cjson.decode(state[3])
local at, tick = tonumber(state[1] or nil), tonumber(state[2] or '0')
local advanced, lapsed, expired, blocked = 0, {}, {}, {}

-- A clock that went back counts as one tick too, else all would stand still.
if not at or now - at >= tonumber(ARGV[1]) or now < at then
  advanced = 1
  tick = redis.call('HINCRBY', meta, 'tick', 1)
  redis.call('HSET', meta, 'at', now)
  for _ = 1, 1000 do
    if not redis.call('LMOVE', inbox, ready, 'RIGHT', 'LEFT') then break end
  end
  -- Marks of the dead are kept for 60 ticks.
  redis.call('ZREMRANGEBYSCORE', workers, 59 - tick, -1)
  redis.call('ZREMRANGEBYSCORE', KEYS[10], '-inf', now - tonumber(ARGV[4]))
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[16], '-inf', now, 'LIMIT', 0, 100)) do
    redis.call('ZREM', KEYS[15], id)
    redis.call('ZREM', KEYS[16], id)
  end
  blocked = redis.call('ZRANGEBYSCORE', KEYS[17], '-inf', now, 'LIMIT', 0, 10)
  expired = redis.call('ZRANGEBYSCORE', KEYS[11], '-inf', now - tonumber(ARGV[3]), 'WITHSCORES', 'LIMIT', 0, 100)
end
if tick >= tonumber(ARGV[2]) then
  lapsed = redis.call('ZRANGEBYSCORE', workers, 0, tick - tonumber(ARGV[2]), 'LIMIT', 0, 100)
end

local more, groups = 0, nil
-- A job of a group waits for its time as: mark, group, line end, id, line end, message.
local function without_grouped(jobs)
  local plain = {}
  for _, job in ipairs(jobs) do
    local group, id, message = string.match(job, '^\1([^\n]*)\n([^\n]*)\n(.*)$')
    if group then
      groups = groups or open_groups(KEYS[12], KEYS[13], KEYS[14], limits, now)
      groups.add(meta, group, id, message)
    else
      plain[#plain + 1] = job
    end
  end
  return plain
end

local function move(from, to)
  local moved, bytes, chunk = 0, 0, 50
  while true do
    local due = redis.call('ZRANGEBYSCORE', from, '-inf', now, 'LIMIT', 0, chunk)
    if #due == 0 then return end
    if moved >= 500 or bytes >= 1048576 then
      more = 1
      return
    end
    local grouped = false
    for _, message in ipairs(due) do
      bytes = bytes + #message
      if #message > 16384 then chunk = 4 end
      if string.byte(message) == 1 then grouped = true end
    end
    local plain = grouped and to == ready and without_grouped(due) or due
    if #plain > 0 then redis.call('RPUSH', to, unpack(plain)) end
    redis.call('ZREMRANGEBYRANK', from, 0, #due - 1)
    moved = moved + #due
  end
end
move(KEYS[3], ready)
move(KEYS[4], ready)
move(KEYS[5], suspect)

if groups or tonumber(state[4] or '0') > 0 or redis.call('ZCARD', KEYS[14]) > 0 then
  groups = groups or open_groups(KEYS[12], KEYS[13], KEYS[14], limits, now)
  if groups.look(500) == 500 then more = 1 end
  groups.offer(meta, ready)
end
-- Nobody must become idle for those that may not be taken.
local suspects = state[5] and 0 or redis.call('LLEN', suspect) + redis.call('LLEN', KEYS[8])
return { advanced, more, suspects, lapsed, expired, blocked,
  redis.call('LLEN', KEYS[18]), redis.call('ZCOUNT', KEYS[19], '-inf', now) }
