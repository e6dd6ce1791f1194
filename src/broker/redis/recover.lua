-- Takes the place of a dead worker and puts back what it held.
-- KEYS: meta, workers, held, suspect, crashed
-- ARGV: worker, reason (replaced or lapsed), ticks of a lease
-- Returns: jobs that were put back
-- Errors: WRONGTYPE
local workers, held = KEYS[2], KEYS[3]
redis.call('HDEL', KEYS[1], '')
local tick = tonumber(redis.call('HGET', KEYS[1], 'tick') or '0')
local place = tonumber(redis.call('ZSCORE', workers, ARGV[1]) or nil)
local holds = redis.call('HLEN', held)
redis.call('LLEN', KEYS[4])
redis.call('LLEN', KEYS[5])
if ARGV[2] == 'lapsed' then
  if not place or place < 0 or tick - place < tonumber(ARGV[3]) then return 0 end
  if holds == 0 then
    redis.call('ZREM', workers, ARGV[1])
    return 0
  end
end

local tokens = {}
for _, text in ipairs(redis.call('HKEYS', held)) do
  local batch, index, mark = string.match(text, '^(%d+):(%d+):?(%a?)$')
  tokens[#tokens + 1] = { text, tonumber(batch) or 0, tonumber(index) or 0, mark or '' }
end
table.sort(tokens, function(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  if a[3] ~= b[3] then return a[3] < b[3] end
  return a[1] < b[1]
end)
local begun, waiting, others = {}, {}, {}
for _, token in ipairs(tokens) do
  local list = others
  if token[4] == 'r' or token[4] == 'c' then list = begun end
  if token[4] == 's' then list = waiting end
  list[#list + 1] = token[1]
end

local function move(list, command, key)
  for from = 1, #list, 500 do
    redis.call(command, key, unpack(redis.call('HMGET', held, unpack(list, from, math.min(from + 499, #list)))))
  end
end
move(begun, 'RPUSH', KEYS[5])
local reversed = {}
for i = #waiting, 1, -1 do reversed[#reversed + 1] = waiting[i] end
move(reversed, 'LPUSH', KEYS[4])
move(others, 'RPUSH', KEYS[4])
-- Below zero: dead since this tick. Its late commands are refused.
redis.call('ZADD', workers, -(tick + 1), ARGV[1])
redis.call('DEL', held)
if #tokens > 0 and redis.call('HEXISTS', KEYS[1], 'held') == 1 then
  redis.call('HINCRBY', KEYS[1], 'held', 0 - #tokens)
end
return #tokens
