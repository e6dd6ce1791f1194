-- Milliseconds since 1970 by the server: in front of scripts that ask for it.
local function now_ms() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end
