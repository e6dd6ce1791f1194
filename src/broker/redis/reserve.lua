-- Moves waiting jobs to a worker, and renews its lease in this queue.
-- KEYS: meta, workers, held, crashed, suspect, inbox, ready, failed, groups,
--       ring, due
-- ARGV: worker, limit, bytes, known (or nothing), idle (1 or 0), longest
--       message, failed set: most entries
-- Returns: kind (C, S or R), batch number, suspects left, messages, number of
--       cancellations, milliseconds for which no more may be taken (or 0), and
--       until the rate of a group lets more go (or 0)
-- Errors: FENCED, MISMATCH, WRONGTYPE
local meta, workers, held, failed = KEYS[1], KEYS[2], KEYS[3], KEYS[8]
local worker, limit, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local known, longest = tonumber(ARGV[4]), tonumber(ARGV[6])

-- Changes nothing; but Redis checks its memory only before a script's first
-- write, and this one frees memory, so a full server still drains.
redis.call('HDEL', meta, '')

local place = redis.call('ZSCORE', workers, worker)
local holds = redis.call('HLEN', held)
if place and tonumber(place) < 0 then
  return redis.error_reply('FENCED the lease has lapsed')
end
if not place and (known ~= 0 or holds > 0) then
  return redis.error_reply('FENCED the lease has lapsed')
end
if known and holds ~= known then
  return redis.error_reply('MISMATCH held are ' .. holds .. ', known ' .. known)
end

local state = redis.call('HMGET', meta, 'tick', 'cancels', 'paused', 'limits', 'grouped', 'held')
local tick, cancels = state[1] or '0', tonumber(state[2] or '0')
if state[3] then
  redis.call('ZADD', workers, tick, worker)
  return { 'R', 0, 0, {}, cancels, 1000, 0 }
end

-- What was stored can't be taken back, so every type is looked at before.
for i = 4, 7 do redis.call('LLEN', KEYS[i]) end
redis.call('ZCARD', failed)

local messages, oversized = {}, {}
local size, read, sources = 0, 0, {}

-- Copies from the head of a list; it is cut only after the copies are stored.
local function collect(list, most)
  local left = redis.call('LLEN', list)
  local from, want = 0, math.min(8, most)
  while left > 0 and #messages < most and #oversized < 8 do
    local part = redis.call('LRANGE', list, from, from + math.min(want, left) - 1)
    for _, message in ipairs(part) do
      local full = #messages >= most
      if #message > longest then
        oversized[#oversized + 1] = message
      elseif full or (#messages > 0 and size + #message > bytes) then
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
    want = math.max(1, math.min(most - #messages, math.ceil((bytes - size) / average)))
  end
  if from > 0 then sources[#sources + 1] = { list, from } end
end

local kind, mark = 'C', ':c'
collect(KEYS[4], math.min(limit, 16))

local limits, groups, commit, window = nil, nil, nil, nil
local grouped, now, room, blocked = tonumber(state[5] or '0'), nil, limit, 0
if state[4] or grouped > 0 then
  redis.call('HLEN', KEYS[9])
  redis.call('LLEN', KEYS[10])
  redis.call('ZCARD', KEYS[11])
  now = now_ms()
  limits = state[4] and cjson.decode(state[4]) or {}
  groups = open_groups(KEYS[9], KEYS[10], KEYS[11], limits, now)
  if grouped > 0 then groups.look(100) end
  if limits.concurrency then
    room = math.min(room, limits.concurrency - tonumber(state[6] or '0'))
    if room <= 0 then blocked = 250 end
  end
  if limits.rate then
    window = open_window(KEYS[9], '', limits.rate, now)
    room = math.min(room, window.room())
    if room <= 0 then blocked = math.min(1000, math.max(10, window.frees_at() - now)) end
  end
end

if #messages == 0 and ARGV[5] == '1' and room > 0 then
  kind, mark = 'S', ':s'
  collect(KEYS[5], 1)
end
if #messages == 0 and room > 0 then
  kind, mark = 'R', ''
  local full = collect(KEYS[6], room) or collect(KEYS[7], room)
  if grouped > 0 and not full and #messages < room then
    local more
    more, commit = groups.collect(meta, room - #messages, bytes - size, #messages > 0, true)
    for _, message in ipairs(more) do messages[#messages + 1] = message end
  end
end

redis.call('ZADD', workers, tick, worker)
local batch = 0
if #sources > 0 or commit then
  batch = redis.call('HINCRBY', meta, 'batch', 1)
  local prefix = batch .. ':'
  -- Numbers as text: joining two texts is much cheaper than printing a number.
  local index = { [0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' }
  for i = 10, #messages - 1 do
    local last = i % 10
    index[i] = index[(i - last) / 10] .. index[last]
  end
  for from = 1, #messages, 500 do
    local fields, n = {}, 0
    for i = from, math.min(from + 499, #messages) do
      fields[n + 1] = prefix .. index[i - 1] .. mark
      fields[n + 2] = messages[i]
      n = n + 2
    end
    redis.call('HSET', held, unpack(fields))
  end
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
  if #oversized > 0 then
    redis.call('ZREMRANGEBYRANK', failed, 0, -tonumber(ARGV[7]) - 1)
  end
  for _, source in ipairs(sources) do
    redis.call('LTRIM', source[1], source[2], -1)
  end
  if commit then commit() end
  if state[6] then redis.call('HINCRBY', meta, 'held', #messages) end
  if window and kind ~= 'C' and #messages > 0 then
    window.count(#messages)
    window.save(KEYS[11])
  end
  if grouped > 0 and blocked == 0 then groups.offer(meta, KEYS[7]) end
end
local suspects = redis.call('LLEN', KEYS[5])
if blocked > 0 then
  if redis.call('LLEN', KEYS[6]) + redis.call('LLEN', KEYS[7]) + grouped + suspects == 0 then blocked = 0 end
  suspects = 0
end
local again = grouped > 0 and groups.looks_in() or 0
return { kind, batch, suspects, messages, cancels, blocked, again }
