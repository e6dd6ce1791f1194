-- Removes a waiting job from a list, if it is not too far behind.
-- KEYS: the list
-- ARGV: message, how many messages to look at
-- Returns: 1, or 0 if it is not there
-- Errors: WRONGTYPE
if not redis.call('LPOS', KEYS[1], ARGV[1], 'MAXLEN', ARGV[2]) then return 0 end
return redis.call('LREM', KEYS[1], 1, ARGV[1])
