-- Fast mode: removes waiting jobs for good; suspects and crashed ones last.
-- KEYS: meta, inbox, ready, suspect, crashed, failed, groups, ring, due, unique
-- ARGV: limit, bytes, longest message, failed set: most entries
-- Returns: messages, number of cancellations, milliseconds for which no more
--       may be taken (or 0), and until the rate of a group lets more go (or 0)
-- Errors: WRONGTYPE
local meta, failed = KEYS[1], KEYS[6]
local limit, bytes, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- See reserve.lua: a full server still drains.
redis.call('HDEL', meta, '')
local state = redis.call('HMGET', meta, 'cancels', 'paused', 'limits', 'grouped')
local cancels = tonumber(state[1] or '0')
if state[2] then return { {}, cancels, 1000, 0 } end
for i = 2, 5 do redis.call('LLEN', KEYS[i]) end
redis.call('ZCARD', failed)

local tied = redis.call('EXISTS', KEYS[7], KEYS[10]) > 0
local groups, window, commit
local grouped = tonumber(state[4] or '0')
if tied or state[3] then
  redis.call('HLEN', KEYS[7])
  redis.call('LLEN', KEYS[8])
  redis.call('ZCARD', KEYS[9])
  redis.call('HLEN', KEYS[10])
  local limits, now = state[3] and cjson.decode(state[3]) or {}, now_ms()
  groups = open_groups(KEYS[7], KEYS[8], KEYS[9], limits, now)
  if grouped > 0 then groups.look(100) end
  if limits.rate then
    window = open_window(KEYS[7], '', limits.rate, now)
    limit = math.min(limit, window.room())
    if limit <= 0 then return { {}, cancels, math.min(1000, math.max(10, window.frees_at() - now)), 0 } end
  end
end

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

-- Nobody will say when a job ends: what it is tied to is let go now. Arguments
-- may look like an id or a key, so only what looks like one is read in full.
local function let_go(message)
  if not string.find(message, '"id":"', 1, true) then return end
  local ok, job = pcall(cjson.decode, message)
  if not ok or type(job) ~= 'table' or type(job.id) ~= 'string' then return end
  groups.ended(job.id)
  local key = type(job.unique) == 'table' and job.unique.key
  if type(key) == 'string' and redis.call('HGET', KEYS[10], key) == job.id then redis.call('HDEL', KEYS[10], key) end
end

local full
for i = 2, 3 do full = full or collect(KEYS[i]) end
if tied then
  for _, message in ipairs(messages) do let_go(message) end
end
if grouped > 0 and not full and #messages < limit then
  local more
  more, commit = groups.collect(meta, limit - #messages, bytes - size, #messages > 0, false)
  for _, message in ipairs(more) do
    messages[#messages + 1] = message
    size = size + #message
    let_go(message)
  end
end
local before = #messages
for i = 4, 5 do full = full or collect(KEYS[i]) end
if tied then
  for i = before + 1, #messages do let_go(messages[i]) end
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
if #messages > 0 then redis.call('HINCRBY', meta, 'done', #messages) end
if commit then commit() end
if window and #messages > 0 then
  window.count(#messages)
  window.save(KEYS[9])
end
return { messages, cancels, 0, grouped > 0 and groups.looks_in() or 0 }
