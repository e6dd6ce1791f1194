-- Looks which schedules are due.
-- KEYS: schedules, schedule_due
-- ARGV: limit, byte limit
-- Returns: now, then name, due time and definition of each, the oldest first
-- Errors: WRONGTYPE
local now = now_ms()
local answer, bytes = { now }, 0
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #due, 2 do
  local definition = redis.call('HGET', KEYS[1], due[i]) or ''
  bytes = bytes + #definition
  if i > 1 and bytes > tonumber(ARGV[2]) then break end
  answer[#answer + 1] = due[i]
  answer[#answer + 1] = due[i + 1]
  answer[#answer + 1] = definition
end
return answer
