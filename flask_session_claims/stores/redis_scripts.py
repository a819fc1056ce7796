"""What Redis runs for the store: one Lua script per act, so that each act is of one moment.

All keys begin with `{prefix}:`, whose braces put them into one slot of a Cluster. A record is the
hash `r:<kind>\\0<key>` with its version, data, indexes and due time; `i:<kind>\\0<name>\\0<value>`
and `d:<kind>` are sorted sets of keys; `log` is a stream whose ids are our positions, and `until`
says for how long each matters; `meta` holds what the store is, the last position given and how many
records of a kind have no due time. Names hold no NUL, so that NUL separates them.

Every answer begins with the store's id. Times are texts throughout, as Lua would round them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name that Redis knows it by."""

    text: str = field(repr=False)
    sha: str = ""

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


#: prefix, name of the record.
LOAD: Final = Script("""
local record = redis.call('HMGET', ARGV[1] .. 'r:' .. ARGV[2], 'v', 'd', 'i', 't')
return {redis.call('HGET', KEYS[1], 'store_id'), record}
""")

#: prefix, kind, name of the index set, key to go on after, size of a page.
FIND: Final = Script("""
local prefix, kind, size = ARGV[1], ARGV[2], tonumber(ARGV[5])
local keys = redis.call(
  'ZRANGEBYLEX', prefix .. 'i:' .. ARGV[3], '(' .. ARGV[4], '+', 'LIMIT', 0, size + 1)
local records = {}
for n = 1, math.min(#keys, size) do
  local name = prefix .. 'r:' .. kind .. '\\0' .. keys[n]
  records[n] = {keys[n], redis.call('HMGET', name, 'v', 'd', 'i', 't')}
end
return {redis.call('HGET', KEYS[1], 'store_id'), records, #keys > size and 1 or 0}
""")

#: prefix, kind, time, size of a page.
DUE: Final = Script("""
local prefix, kind = ARGV[1], ARGV[2]
local keys = redis.call(
  'ZRANGEBYSCORE', prefix .. 'd:' .. kind, '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
local records = {}
for n, key in ipairs(keys) do
  local name = prefix .. 'r:' .. kind .. '\\0' .. key
  records[n] = {key, redis.call('HMGET', name, 'v', 'd', 'i', 't')}
end
return {redis.call('HGET', KEYS[1], 'store_id'), records}
""")

#: prefix, kind. A store of the time before `counts` is gone through once for each kind.
COUNT: Final = Script("""
local prefix, kind = ARGV[1], ARGV[2]
local field = 'undated:' .. kind
local known = redis.call('HMGET', KEYS[1], 'store_id', 'counts', field)
local undated = tonumber(known[3] or 0)
if known[1] and not known[2] and not known[3] then
  local start, cursor, seen = prefix .. 'r:' .. kind .. '\\0', '0', {}
  repeat
    local page = redis.call('SCAN', cursor, 'MATCH', prefix .. 'r:*', 'COUNT', 1000)
    cursor = page[1]
    for _, name in ipairs(page[2]) do
      if string.sub(name, 1, #start) == start and not seen[name] then
        seen[name] = true
        undated = undated + (redis.call('HGET', name, 't') == '' and 1 or 0)
      end
    end
  until cursor == '0'
  redis.call('HSET', KEYS[1], field, undated)
end
return {known[1], redis.call('ZCARD', prefix .. 'd:' .. kind) + undated}
""")

#: prefix, position, the one after it, size of a page. An entry is one text: redis-py takes its
#: time for each piece of an answer.
LOG: Final = Script("""
local log = ARGV[1] .. 'log'
local known = redis.call('HMGET', KEYS[1], 'store_id', 'newest')
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local entries = {}
if tonumber(known[2] or 0) > tonumber(ARGV[2]) then
  entries = redis.call('XRANGE', log, ARGV[3], '+', 'COUNT', ARGV[4])
  for n, entry in ipairs(entries) do
    entries[n] = entry[1] .. '\\0' .. entry[2][2]
  end
end
return {known[1], known[2] or '0', first and first[1] or '0', entries}
""")

#: What the store is called and which schema it has.
IDENTITY: Final = Script("""
local known = redis.call('HMGET', KEYS[1], 'store_id', 'schema', 'readable_from')
return {known[1], known[2], known[3]}
""")

#: What COMMIT answers where only the log of a store is left.
REMAINS: Final = -2
#: prefix, an id for a new store, whether it may be new, schema, the oldest schema that can read
#: it; number of deletes, of puts, of entries; then of each delete: name, expected version; of each
#: put: name, expected version, data, indexes, due time; of each entry: at, until, its text.
#: Answers 1 (done), 0 (a version is not as expected), -1 (the store has gone) or REMAINS.
#: Redis refuses a script for want of memory or disk at its first write only: all or nothing. The
#: log comes first even so: should a script end half way, an entry without its change does no
#: harm, and a change without its entry does.
COMMIT: Final = Script("""
local meta, prefix = KEYS[1], ARGV[1]
local store_id = redis.call('HGET', meta, 'store_id')
if not store_id and ARGV[3] == '0' then
  return {store_id, -1}
end
local deletes, puts, entries = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local standing = {}
local at = 9
for n = 1, deletes + puts do
  standing[n] = redis.call('HMGET', prefix .. 'r:' .. ARGV[at], 'v', 'i', 't')
  if (standing[n][1] or '0') ~= ARGV[at + 1] then
    return {store_id, 0}
  end
  at = at + (n > deletes and 5 or 2)
end
if not store_id and redis.call('EXISTS', prefix .. 'log') == 1 then
  return {store_id, -2}
end

if not store_id then
  store_id = ARGV[2]
  redis.call(
    'HSET', meta, 'store_id', store_id, 'schema', ARGV[4], 'readable_from', ARGV[5], 'counts', '1')
end
for n = 1, entries do
  local gone = redis.call('ZRANGEBYSCORE', prefix .. 'until', '-inf', '(' .. ARGV[at])
  for _, position in ipairs(gone) do
    redis.call('XDEL', prefix .. 'log', position .. '-0')
    redis.call('ZREM', prefix .. 'until', position)
  end
  local position = string.format('%.0f', redis.call('HINCRBY', meta, 'newest', 1))
  redis.call('XADD', prefix .. 'log', position .. '-0', 'e', ARGV[at + 2])
  redis.call('ZADD', prefix .. 'until', ARGV[at + 1], position)
  at = at + 3
end

local function split(name)
  local zero = string.find(name, '\\0', 1, true)
  return string.sub(name, 1, zero - 1), string.sub(name, zero + 1)
end
local function index(command, kind, key, pairs)
  for name, value in string.gmatch(pairs or '', '([^%z]+)%z([^%z]+)%z') do
    local set = prefix .. 'i:' .. kind .. '\\0' .. name .. '\\0' .. value
    if command == 'ZADD' then
      redis.call('ZADD', set, 0, key)
    else
      redis.call('ZREM', set, key)
    end
  end
end
local counts = redis.call('HGET', meta, 'counts')
local function count(kind, before, after)
  local field = 'undated:' .. kind
  local change = (after == '' and 1 or 0) - (before == '' and 1 or 0)
  if change ~= 0 and (counts or redis.call('HGET', meta, field)) then
    redis.call('HINCRBY', meta, field, change)
  end
end

at = 9
for n = 1, deletes do
  local kind, key = split(ARGV[at])
  redis.call('DEL', prefix .. 'r:' .. ARGV[at])
  index('ZREM', kind, key, standing[n][2])
  redis.call('ZREM', prefix .. 'd:' .. kind, key)
  count(kind, standing[n][3])
  at = at + 2
end
for n = deletes + 1, deletes + puts do
  local kind, key = split(ARGV[at])
  local version = string.format('%.0f', tonumber(ARGV[at + 1]) + 1)
  local indexes, due_at = ARGV[at + 3], ARGV[at + 4]
  redis.call(
    'HSET', prefix .. 'r:' .. ARGV[at], 'v', version, 'd', ARGV[at + 2], 'i', indexes, 't', due_at)
  if (standing[n][2] or '') ~= indexes then
    index('ZREM', kind, key, standing[n][2])
    index('ZADD', kind, key, indexes)
  end
  if due_at ~= '' then
    redis.call('ZADD', prefix .. 'd:' .. kind, due_at, key)
  elseif (standing[n][3] or '') ~= '' then
    redis.call('ZREM', prefix .. 'd:' .. kind, key)
  end
  count(kind, standing[n][3], due_at)
  at = at + 5
end
return {store_id, 1}
""")
