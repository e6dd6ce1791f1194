-- Takes a schedule's next due time away.
-- KEYS: schedules, schedule_due
-- ARGV: name, 1 to remove the schedule as well
-- Returns: 1, or 0 if there is no such schedule
-- Errors: WRONGTYPE
local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[2] == '1' then redis.call('HDEL', KEYS[1], ARGV[1]) end
return known
