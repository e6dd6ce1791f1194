-- Reads a part of a list or a sorted set, for somebody who looks at all of it.
-- KEYS: the list or sorted set
-- ARGV: most entries, most bytes after the first one, place of the first one,
--       the entry before it or '', the score of that
-- Returns: place of the first entry, entries (of a sorted set: entry, score, ...)
-- Errors: WRONGTYPE
local key, limit, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local from, before = tonumber(ARGV[3]), ARGV[4]
local is_set = redis.call('TYPE', key).ok == 'zset'

-- Others in front of it may have left; or it has, as a rule with all of them.
if before ~= '' and is_set then
  local score = redis.call('ZSCORE', key, before)
  if score and tonumber(score) == tonumber(ARGV[5]) then
    from = redis.call('ZRANK', key, before) + 1
  else
    from = redis.call('ZCOUNT', key, '-inf', '(' .. ARGV[5])
  end
elseif before ~= '' and redis.call('LINDEX', key, from - 1) ~= before then
  local place = redis.call('LPOS', key, before, 'MAXLEN', from)
  from = place and place + 1 or 0
end

local found, count, size = { from }, 0, 0
while count < limit do
  local want = math.min(limit - count, count == 0 and 8 or 64)
  local upto, part, step = from + want - 1, nil, 1
  if is_set then
    part, step = redis.call('ZRANGE', key, from, upto, 'WITHSCORES'), 2
  else
    part = redis.call('LRANGE', key, from, upto)
  end
  for i = 1, #part, step do
    size = size + #part[i]
    if count > 0 and size > bytes then return found end
    for j = i, i + step - 1 do found[#found + 1] = part[j] end
    count = count + 1
  end
  if #part < want * step then return found end
  from = from + want
end
return found
