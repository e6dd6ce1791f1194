-- Puts reserved jobs back where they came from, in their order.
-- KEYS: meta, workers, held, ready, suspect, crashed
-- ARGV: worker, tokens in the order of their reservation...
-- Returns: jobs that were held
-- Errors: FENCED, WRONGTYPE
local held = KEYS[3]
redis.call('HDEL', KEYS[1], '')
local place = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not place or tonumber(place) < 0 then
  return redis.error_reply('FENCED the lease has lapsed')
end
for i = 4, 6 do redis.call('LLEN', KEYS[i]) end

local lists = { s = KEYS[5], r = KEYS[5], c = KEYS[6] }
local removed = 0
-- From the back, so that each LPUSH puts older jobs before newer ones.
for upto = #ARGV, 2, -1000 do
  local from = math.max(2, upto - 999)
  local messages = redis.call('HMGET', held, unpack(ARGV, from, upto))
  local pushes = {}
  for i = upto, from, -1 do
    local message = messages[i - from + 1]
    if message then
      local list = lists[string.match(ARGV[i], '^%d+:%d+:(%a)$')] or KEYS[4]
      pushes[list] = pushes[list] or {}
      table.insert(pushes[list], message)
    end
  end
  for i = 4, 6 do
    if pushes[KEYS[i]] then redis.call('LPUSH', KEYS[i], unpack(pushes[KEYS[i]])) end
  end
  removed = removed + redis.call('HDEL', held, unpack(ARGV, from, upto))
end
if removed > 0 and redis.call('HEXISTS', KEYS[1], 'held') == 1 then
  redis.call('HINCRBY', KEYS[1], 'held', 0 - removed)
end
return removed
