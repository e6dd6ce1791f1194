-- Looks for a schedule.
-- KEYS: schedules, schedule_due
-- ARGV: name
-- Returns: now, definition or false, next due time or false
-- Errors: WRONGTYPE
return {
  now_ms(),
  redis.call('HGET', KEYS[1], ARGV[1]),
  redis.call('ZSCORE', KEYS[2], ARGV[1]),
}
