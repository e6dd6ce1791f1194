-- Puts one job of the inbox back to the head of ready, which wakes the next.
-- KEYS: meta, inbox, ready
-- Returns: 1 if there was one, else 0
-- Errors: WRONGTYPE
redis.call('HDEL', KEYS[1], '')
if redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT') then return 1 end
return 0
