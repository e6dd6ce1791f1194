-- Makes a paused schedule due again.
-- KEYS: schedules, schedule_due
-- ARGV: name, SHA-1 of its definition, next due time
-- Returns: 1, or 0 if it is not there with this definition
-- Errors: OOM, WRONGTYPE
local definition = redis.call('HGET', KEYS[1], ARGV[1])
if not definition or redis.sha1hex(definition) ~= ARGV[2] then return 0 end
redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[1])
return 1
