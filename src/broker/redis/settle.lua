-- Ends reserved jobs, or, without a worker, stores outcomes of fast mode.
-- KEYS: meta, workers, held, retry, lone, failed, buckets, put back, awaited,
--       arrivals, result buckets..., and if jobs have ties: ready, groups, ring, due, unique,
--       cancelled, cancelled until
-- ARGV: worker or '', failed set: most entries, its age in ms, number of result
--       buckets, then lists that begin with their number:
--       tokens: those without outcome, then bucket by bucket, then others;
--         before them, how many have no outcome
--       buckets: name, n, n times (field, outcome)
--       retries: place of its token, 4 or 5 (its key), delay in ms, message,
--         0 or: if it was first put back so many ms ago, it has failed, entry
--       failed: place of its token, entry
--       ties: place of its token, id, unique key or '', 1 if it has ended, else 0
--       events: channel, numbers, or numbers, line end and their outcomes
-- Returns: jobs that were held, results stored in all, their bytes, how many
--       ended for which others wait
-- Errors: FENCED, WRONGTYPE
local meta, held, failed, buckets = KEYS[1], KEYS[3], KEYS[6], KEYS[7]
local fast = ARGV[1] == ''
redis.call('HDEL', meta, '')
if not fast then
  local place = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if not place or tonumber(place) < 0 then
    return redis.error_reply('FENCED the lease has lapsed')
  end
end

-- What was stored can't be taken back, so every type is looked at before.
redis.call('HLEN', held)
for i = 4, 8 do redis.call('ZCARD', KEYS[i]) end
redis.call('HLEN', KEYS[9])
redis.call('LLEN', KEYS[10])
local buckets_end = 10 + tonumber(ARGV[4])
for i = 11, buckets_end do redis.call('HLEN', KEYS[i]) end
local ready, ties = KEYS[buckets_end + 1], {}
for i = buckets_end + 2, #KEYS do ties[i - buckets_end - 1] = KEYS[i] end
if ready then
  redis.call('LLEN', ready)
  redis.call('HLEN', ties[1])
  redis.call('LLEN', ties[2])
  redis.call('ZCARD', ties[3])
  redis.call('HLEN', ties[4])
  redis.call('ZCARD', ties[5])
  redis.call('ZCARD', ties[6])
end

local plain, count = tonumber(ARGV[5]), tonumber(ARGV[6])
local first = 7
local gone, missing = {}, 0
local function is_gone(place)
  gone[place] = true
  missing = missing + 1
end
-- Short messages are read faster than looked for one by one.
if count > 0 and redis.call('HSTRLEN', held, ARGV[first]) > 512 then
  for i = 0, count - 1 do
    if redis.call('HEXISTS', held, ARGV[first + i]) == 0 then is_gone(i + 1) end
  end
else
  for from = 0, count - 1, 1000 do
    local upto = math.min(from + 999, count - 1)
    local messages = redis.call('HMGET', held, unpack(ARGV, first + from, first + upto))
    for i = 1, upto - from + 1 do
      if not messages[i] then is_gone(from + i) end
    end
  end
end

local at = first + count
local function number()
  at = at + 1
  return tonumber(ARGV[at - 1])
end
local now = now_ms()

-- Others wait for some of these: their names are noted with who has ended.
local awaited, arrivals = tonumber(redis.call('HGET', meta, 'awaited') or '0') > 0, 0
local function arrived(id)
  local waiting = redis.call('HGET', KEYS[9], id)
  if not waiting then return end
  redis.call('RPUSH', KEYS[10], id .. '\n' .. waiting)
  redis.call('HDEL', KEYS[9], id)
  redis.call('HINCRBY', meta, 'awaited', -1)
  arrivals = arrivals + 1
end

local stored, bytes, token = 0, 0, plain
for b = 1, number() do
  local bucket, n = ARGV[at], tonumber(ARGV[at + 1])
  local key = KEYS[10 + b]
  at = at + 2
  local size, new = 0, 0
  if missing == 0 then
    for i = at + 1, at + 2 * n, 2 do size = size + #ARGV[i] end
    for from = at, at + 2 * n - 1, 1000 do
      new = new + redis.call('HSET', key, unpack(ARGV, from, math.min(from + 999, at + 2 * n - 1)))
    end
  else
    for i = 1, n do
      if not gone[token + i] then
        local outcome = ARGV[at + 2 * i - 1]
        new = new + redis.call('HSET', key, ARGV[at + 2 * i - 2], outcome)
        size = size + #outcome
      end
    end
  end
  if size > 0 or new > 0 then
    redis.call('HINCRBY', key, 'bytes', size)
    redis.call('ZADD', buckets, now, bucket)
    stored = stored + new
    bytes = bytes + size
  end
  if awaited then
    local producer = string.match(bucket, '^(.*)%.')
    for i = 1, n do
      if not gone[token + i] then arrived(producer .. '.' .. ARGV[at + 2 * i - 2]) end
    end
  end
  token = token + n
  at = at + 2 * n
end
if stored > 0 then redis.call('HINCRBY', meta, 'results', stored) end
if bytes > 0 then redis.call('HINCRBY', meta, 'bytes', bytes) end

-- Whether a message was put back again and again for so long.
local function is_given_up(message, after_ms)
  if after_ms == 0 then return false end
  local put_back, digest = KEYS[8], redis.sha1hex(message)
  local since = tonumber(redis.call('ZSCORE', put_back, digest) or nil)
  if since and now - since >= after_ms then
    redis.call('ZREM', put_back, digest)
    return true
  end
  if not since then redis.call('ZADD', put_back, now, digest) end
  redis.call('ZREMRANGEBYSCORE', put_back, '-inf', now - 2 * after_ms)
  redis.call('PEXPIRE', put_back, 2 * after_ms)
  return false
end

local failing, retrying = 0, 0
local given_up = {}
for _ = 1, number() do
  if not gone[tonumber(ARGV[at])] then
    if is_given_up(ARGV[at + 3], tonumber(ARGV[at + 4])) then
      redis.call('ZADD', failed, now, ARGV[at + 5])
      failing = failing + 1
      given_up[ARGV[at]] = true
    else
      retrying = retrying + 1
      redis.call('ZADD', KEYS[tonumber(ARGV[at + 1])], now + tonumber(ARGV[at + 2]), ARGV[at + 3])
    end
  end
  at = at + 6
end

local failures = number()
for _ = 1, failures do
  if not gone[tonumber(ARGV[at])] then
    redis.call('ZADD', failed, now, ARGV[at + 1])
    failing = failing + 1
  end
  at = at + 2
end
if failures > 0 then
  redis.call('ZREMRANGEBYRANK', failed, 0, -tonumber(ARGV[2]) - 1)
  redis.call('ZREMRANGEBYSCORE', failed, '-inf', now - tonumber(ARGV[3]))
end

local tied = number()
if tied > 0 then
  local limits = redis.call('HGET', meta, 'limits')
  local groups = open_groups(ties[1], ties[2], ties[3], limits and cjson.decode(limits), now)
  for _ = 1, tied do
    local id, unique, ended = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3] == '1' or given_up[ARGV[at]]
    if not gone[tonumber(ARGV[at])] then
      groups.ended(id)
      if ended then
        if unique ~= '' and redis.call('HGET', ties[4], unique) == id then redis.call('HDEL', ties[4], unique) end
        redis.call('ZREM', ties[5], id)
        redis.call('ZREM', ties[6], id)
      end
    end
    at = at + 4
  end
  groups.offer(meta, ready)
end

local removed = 0
for from = first, first + count - 1, 1000 do
  removed = removed + redis.call('HDEL', held, unpack(ARGV, from, math.min(from + 999, first + count - 1)))
end
if fast or removed > 0 then
  for _ = 1, number() do
    local text = ARGV[at + 1]
    -- What was not held is not stored here: its outcome is to be read.
    if missing > 0 then text = string.match(text, '^[^\n]*') end
    redis.call('PUBLISH', ARGV[at], text)
    at = at + 2
  end
end
local done = removed - failing - retrying
if done > 0 then redis.call('HINCRBY', meta, 'done', done) end
if failing > 0 then redis.call('HINCRBY', meta, 'failed', failing) end
local sums = redis.call('HMGET', meta, 'results', 'bytes', 'held')
if sums[3] and removed > 0 then redis.call('HINCRBY', meta, 'held', 0 - removed) end
return { removed, tonumber(sums[1] or '0'), tonumber(sums[2] or '0'), arrivals }
