-- Stores jobs that may run later. Not allowed when the server is full.
-- KEYS: scheduled
-- ARGV: for each: milliseconds, 1 if they count from now, message
-- Returns: how many
-- Errors: OOM, WRONGTYPE
local now = now_ms()
for i = 1, #ARGV, 3 do
  local at = tonumber(ARGV[i])
  if ARGV[i + 1] == '1' then at = at + now end
  redis.call('ZADD', KEYS[1], at, ARGV[i + 2])
end
return #ARGV / 3
