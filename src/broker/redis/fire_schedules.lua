-- Puts jobs of schedules that are due into ready. Not allowed when the server
-- is full.
-- KEYS: ready, schedules, schedule_due
-- ARGV: for each: name, SHA-1 of its definition, due time, next due time,
--       number of messages, messages
-- Returns: how many were as described; the others did nothing
-- Errors: OOM, WRONGTYPE
redis.call('LLEN', KEYS[1])
local fired, i = 0, 1
while i <= #ARGV do
  local name, digest, due, next_due, count = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local definition = redis.call('HGET', KEYS[2], name) or ''
  local score = redis.call('ZSCORE', KEYS[3], name)
  if score and tonumber(score) == tonumber(due) and redis.sha1hex(definition) == digest then
    for n = i + 5, i + 4 + count do
      redis.call('RPUSH', KEYS[1], ARGV[n])
    end
    redis.call('ZADD', KEYS[3], next_due, name)
    fired = fired + 1
  end
  i = i + 5 + count
end
return fired
