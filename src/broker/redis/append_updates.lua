-- Adds updates of a job, drops the oldest beyond a number, and tells who listens.
-- No write comes first: a full server is to refuse them, as nobody needs them to
-- end a job.
-- KEYS: workers, updates of the job
-- ARGV: worker or '' (fast mode), channel, most that are kept, ms they are
--       kept, updates...
-- Returns: OK
-- Errors: FENCED, OOM, WRONGTYPE
if ARGV[1] ~= '' then
  local place = redis.call('ZSCORE', KEYS[1], ARGV[1])
  if not place or tonumber(place) < 0 then
    return redis.error_reply('FENCED the lease has lapsed')
  end
end
for i = 5, #ARGV do
  redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[3], '*', 'u', ARGV[i])
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[2], '')
return redis.status_reply('OK')
