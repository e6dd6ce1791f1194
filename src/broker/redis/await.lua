-- Notes that a job waits for the end of others, which belong to this queue.
-- KEYS: meta, awaited, result buckets...
-- ARGV: the job that waits: its queue, a space, its id; then for each of the
--       others: id, number of its bucket, field
-- Returns: ids of those that have ended
-- Errors: OOM, WRONGTYPE
for i = 3, #KEYS do redis.call('HLEN', KEYS[i]) end
local ended = {}
for i = 2, #ARGV, 3 do
  local id = ARGV[i]
  if redis.call('HEXISTS', KEYS[2 + tonumber(ARGV[i + 1])], ARGV[i + 2]) == 1 then
    ended[#ended + 1] = id
  else
    local waiting = redis.call('HGET', KEYS[2], id)
    if not waiting then
      redis.call('HSET', KEYS[2], id, ARGV[1])
      redis.call('HINCRBY', KEYS[1], 'awaited', 1)
    elseif not string.find('\n' .. waiting .. '\n', '\n' .. ARGV[1] .. '\n', 1, true) then
      redis.call('HSET', KEYS[2], id, waiting .. '\n' .. ARGV[1])
    end
  end
end
return ended
