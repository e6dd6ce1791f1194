-- Jobs that belong to a group, and what limits let through: in front of the
-- scripts that use it. The hash `groups` holds:
--   g:<group>        first:next:active:place; waiting are first to next - 1,
--                    active those that were let through and have not ended
--   m:<group>:<n>    id, line end, message of a job that waits
--   a:<id>           the group of a job that is active
--   w:<group>        what its rate has counted, w: that of the whole queue
-- Its place: r in the list `ring`, which has all groups of which a job may go;
-- d in the sorted set `due` (d:<group>), when only its rate is in the way; else -.
-- The set also says when to look whether a rate is to be forgotten (w:<group>).
local SLOTS = 20

-- What a rate has counted in its period, in slots, each a 20th of it. A slot
-- counts until it is over everywhere: at most `jobs` in any period.
local function open_window(hash, name, rate, now)
  local width = math.max(1, math.ceil(rate.perMs / SLOTS))
  local slot = math.floor(now / width)
  local self, slots = { used = 0 }, {}
  local text = redis.call('HGET', hash, 'w:' .. name)
  local own = text and string.match(text, '^(%d+)|')
  if tonumber(own) == width then
    for at, count in string.gmatch(text, '(%d+):(%d+)') do
      at, count = tonumber(at), tonumber(count)
      -- A clock that went far back must not stop the queue.
      if math.abs(slot - at) <= SLOTS then
        slots[#slots + 1] = { at, count }
        self.used = self.used + count
      end
    end
  end
  function self.room() return rate.jobs - self.used end
  function self.frees_at() return slots[1] and (slots[1][1] + SLOTS + 1) * width or now end
  function self.count(jobs)
    local last = slots[#slots]
    if last and last[1] == slot then last[2] = last[2] + jobs else slots[#slots + 1] = { slot, jobs } end
    self.used = self.used + jobs
  end
  function self.save(due)
    local parts = {}
    for i, each in ipairs(slots) do parts[i] = string.format('%d:%d', each[1], each[2]) end
    if #parts == 0 then
      redis.call('HDEL', hash, 'w:' .. name)
      return
    end
    redis.call('HSET', hash, 'w:' .. name, width .. '|' .. table.concat(parts, ','))
    redis.call('ZADD', due, (slot + SLOTS + 2) * width, 'w:' .. name)
  end
  return self
end

local function open_groups(hash, ring, due, limits, now)
  local self, known = {}, {}

  function self.get(name)
    local group = known[name]
    if group then return group end
    group = { name = name, first = 1, next = 1, active = 0, place = '-' }
    local text = redis.call('HGET', hash, 'g:' .. name)
    if text then
      local first, next, active, place = string.match(text, '^(%d+):(%d+):(%d+):(.)$')
      group.first, group.next, group.active, group.place = tonumber(first), tonumber(next), tonumber(active), place
    end
    group.limit = limits and (limits.groups and limits.groups[name] or limits.group) or {}
    known[name] = group
    return group
  end

  -- Whether one more of its jobs may go; if not, from when on, if time decides.
  function self.may(group)
    local limit = group.limit
    if limit.concurrency and group.active >= limit.concurrency then return false end
    if limit.rate then
      group.window = group.window or open_window(hash, group.name, limit.rate, now)
      if group.window.room() <= 0 then return false, group.window.frees_at() end
    end
    return true
  end

  -- Puts a group that is not in the ring where it belongs.
  function self.put(group)
    if group.place == 'r' then return end
    local may, at = false, nil
    if group.first < group.next then may, at = self.may(group) end
    if group.place == 'd' and not at then redis.call('ZREM', due, 'd:' .. group.name) end
    if at then redis.call('ZADD', due, at, 'd:' .. group.name) end
    if may then redis.call('RPUSH', ring, group.name) end
    group.place = may and 'r' or at and 'd' or '-'
  end

  function self.save(group)
    if group.first >= group.next and group.active == 0 and group.place == '-' then
      redis.call('HDEL', hash, 'g:' .. group.name)
    else
      redis.call('HSET', hash, 'g:' .. group.name,
        string.format('%d:%d:%d:%s', group.first, group.next, group.active, group.place))
    end
    if group.window then group.window.save(due) end
  end

  -- Lets a job wait at the end of its group.
  function self.add(meta, name, id, message)
    local group = self.get(name)
    redis.call('HSET', hash, 'm:' .. name .. ':' .. group.next, id .. '\n' .. message)
    group.next = group.next + 1
    self.put(group)
    self.save(group)
    redis.call('HINCRBY', meta, 'grouped', 1)
  end

  -- An active job has ended, or waits for its next attempt.
  function self.ended(id)
    local name = redis.call('HGET', hash, 'a:' .. id)
    if not name then return end
    local group = self.get(name)
    group.active = math.max(0, group.active - 1)
    redis.call('HDEL', hash, 'a:' .. id)
    self.put(group)
    self.save(group)
  end

  -- The text of the first job of a group that is not taken; one that was removed
  -- has left a gap.
  local function first_of(group)
    group.ahead = group.ahead or group.first
    while group.ahead < group.next do
      local text = redis.call('HGET', hash, 'm:' .. group.name .. ':' .. group.ahead)
      if text then return text end
      group.ahead = group.ahead + 1
    end
  end

  -- Jobs of the ring in turn, at most so many and so long; `commit` lets them go.
  function self.collect(meta, limit, bytes, others, counts)
    -- Some more than are wanted: of one that was let wait here nothing may go.
    local names = redis.call('LRANGE', ring, 0, math.max(limit, 50) - 1)
    local given, taken, messages, at, size = #names, {}, {}, 1, 0
    local touched = {}
    while at <= #names and #messages < limit do
      local group = self.get(names[at])
      touched[group.name] = group
      local text = first_of(group)
      if text and self.may(group) then
        local cut = string.find(text, '\n', 1, true)
        local id, message = string.sub(text, 1, cut - 1), string.sub(text, cut + 1)
        if (others or #messages > 0) and size + #message > bytes then break end
        size = size + #message
        messages[#messages + 1] = message
        taken[#taken + 1] = { group, id, group.ahead }
        group.ahead = group.ahead + 1
        group.active = group.active + (counts and 1 or 0)
        if group.window then group.window.count(1) end
        names[#names + 1] = group.name
      else
        group.closed = true
      end
      at = at + 1
    end
    local function commit()
      for _, each in ipairs(taken) do
        local group, id = each[1], each[2]
        if counts then redis.call('HSET', hash, 'a:' .. id, group.name) end
        redis.call('HDEL', hash, 'm:' .. group.name .. ':' .. each[3])
      end
      for _, group in pairs(touched) do group.first = group.ahead end
      redis.call('LTRIM', ring, math.min(at - 1, given), -1)
      for i = math.max(at, given + 1), #names do
        local group = self.get(names[i])
        if group.first < group.next then redis.call('RPUSH', ring, group.name) else group.place = '-' end
      end
      for _, group in pairs(touched) do
        if group.closed then
          group.place = '-'
          self.put(group)
        end
        self.save(group)
      end
      if #taken > 0 then redis.call('HINCRBY', meta, 'grouped', 0 - #taken) end
    end
    return messages, commit
  end

  -- The limit of a group may let a job go by now.
  function self.again(name)
    local group = self.get(name)
    self.put(group)
    self.save(group)
  end

  -- Looks at rates whose time has come; at how many.
  function self.look(most)
    local looks = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, most)
    for _, look in ipairs(looks) do
      local kind, name = string.match(look, '^(.):(.*)$')
      redis.call('ZREM', due, look)
      if kind == 'w' then
        redis.call('HDEL', hash, 'w:' .. name)
      else
        self.get(name).place = '-'
        self.again(name)
      end
    end
    return #looks
  end

  -- Milliseconds until the next look, a minute at most; 0: there is none.
  function self.looks_in()
    local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
    return first[2] and math.min(60000, math.max(10, math.ceil(tonumber(first[2]) - now))) or 0
  end

  -- If nothing is ready, the next job of the ring is, which wakes a worker.
  function self.offer(meta, ready)
    if redis.call('LLEN', ready) > 0 then return end
    local messages, commit = self.collect(meta, 1, 0, false, true)
    if #messages > 0 then redis.call('RPUSH', ready, messages[1]) end
    commit()
  end

  return self
end
