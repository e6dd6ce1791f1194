-- Fast mode: removes waiting jobs for good; suspects and crashed ones last.
-- KEYS: meta, inbox, ready, suspect, crashed, failed
-- ARGV: limit, bytes, longest message, failed set: most entries
-- Returns: messages
-- Errors: WRONGTYPE
local meta, failed = KEYS[1], KEYS[6]
local limit, bytes, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- See reserve.lua: a full server still drains.
redis.call('HDEL', meta, '')
for i = 2, 5 do redis.call('LLEN', KEYS[i]) end
redis.call('ZCARD', failed)

local messages, oversized = {}, {}
local size, read, sources = 0, 0, {}

local function collect(list)
  local left = redis.call('LLEN', list)
  local from, want = 0, math.min(8, limit)
  while left > 0 and #messages < limit and #oversized < 8 do
    local part = redis.call('LRANGE', list, from, from + math.min(want, left) - 1)
    for _, message in ipairs(part) do
      if #message > longest then
        oversized[#oversized + 1] = message
      elseif #messages >= limit or (#messages > 0 and size + #message > bytes) then
        if from > 0 then sources[#sources + 1] = { list, from } end
        return true
      else
        messages[#messages + 1] = message
        size = size + #message
      end
      read = read + #message
      from = from + 1
      left = left - 1
    end
    local average = math.max(1, read / math.max(1, #messages + #oversized))
    want = math.max(1, math.min(limit - #messages, math.ceil((bytes - size) / average)))
  end
  if from > 0 then sources[#sources + 1] = { list, from } end
  return #messages >= limit or #oversized >= 8
end

for i = 2, 5 do
  if collect(KEYS[i]) then break end
end

if #oversized > 0 then
  local batch = redis.call('HINCRBY', meta, 'batch', 1)
  for i, message in ipairs(oversized) do
    local head = string.gsub(string.sub(message, 1, 1024), '[\194-\244][\128-\191]*$', '')
    redis.call('ZADD', failed, now_ms(), cjson.encode({
      message = head,
      error = {
        name = 'OversizedMessageError',
        message = 'The message has ' .. #message .. ' bytes; at most ' .. longest .. ' are read',
      },
      attempts = 0,
      cut = true,
      uid = batch .. ':' .. i,
    }))
  end
  redis.call('ZREMRANGEBYRANK', failed, 0, -tonumber(ARGV[4]) - 1)
end
for _, source in ipairs(sources) do
  redis.call('LTRIM', source[1], source[2], -1)
end
return messages
