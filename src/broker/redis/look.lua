-- A job waits for others: postpones the next look at these.
-- KEYS: meta, blocked, blocked due
-- ARGV: id, milliseconds until the next look, milliseconds after which it has
--       waited too long
-- Returns: what is known of it or '' (it waits no more), 1 if it has waited too
--       long, else 0
-- Errors: WRONGTYPE
local blocked, id = KEYS[2], ARGV[1]
redis.call('HDEL', KEYS[1], '')
redis.call('ZCARD', KEYS[3])
local text = redis.call('HGET', blocked, 'm:' .. id)
if not text then
  redis.call('ZREM', KEYS[3], id)
  return { '', 0 }
end
local now = now_ms()
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[2]), id)
local since = tonumber(redis.call('HGET', blocked, 's:' .. id) or now)
return { string.sub(text, 1, string.find(text, '\n', 1, true) - 1), now - since >= tonumber(ARGV[3]) and 1 or 0 }
