-- Removes a job from where it lies, if it is not too far behind, and lets go
-- what it has.
-- KEYS: where it may lie (a list, a sorted set, or the groups), ready, meta,
--       unique, groups, ring, due
-- ARGV: what names it there, how many messages of a list to look at, id or ''
--       (it has nothing), its unique key or ''
-- Returns: 1, or 0 if it is not there
-- Errors: WRONGTYPE
local place, kind, meta, id = KEYS[1], redis.call('TYPE', KEYS[1]).ok, KEYS[3], ARGV[3]
if kind == 'none' then return 0 end
if kind == 'list' then
  if not redis.call('LPOS', place, ARGV[1], 'MAXLEN', ARGV[2]) then return 0 end
  redis.call('LREM', place, 1, ARGV[1])
elseif kind == 'hash' then
  if redis.call('HDEL', place, ARGV[1]) == 0 then return 0 end
  redis.call('HINCRBY', meta, 'grouped', -1)
elseif redis.call('ZREM', place, ARGV[1]) == 0 then
  return 0
end
if id ~= '' then
  local limits = redis.call('HGET', meta, 'limits')
  local groups = open_groups(KEYS[5], KEYS[6], KEYS[7], limits and cjson.decode(limits), now_ms())
  groups.ended(id)
  groups.offer(meta, KEYS[2])
  if ARGV[4] ~= '' and redis.call('HGET', KEYS[4], ARGV[4]) == id then redis.call('HDEL', KEYS[4], ARGV[4]) end
end
return 1
