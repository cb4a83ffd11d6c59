package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/redis/rueidis"
)

// A record is a hash, which expires with the session: d is its data, c, e and n the milliseconds of Created, Expires and Ends, and l1, l2 and
// so on its links. Each link has a sorted set of the ids of its sessions, by Expires, so that what expired is dropped when another begins.
// KEYS has the record or the link that a script is about; ARGV begins with what the keys of records and of links begin with, as the others
// are found on the way. All have one hash tag.
const (
	forgetScript = `
local records, links = ARGV[1], ARGV[2]
local function forget(id)
  local i = 1
  local link = redis.call('HGET', records .. id, 'l1')
  while link do
    redis.call('ZREM', links .. link, id)
    i = i + 1
    link = redis.call('HGET', records .. id, 'l' .. i)
  end
  return redis.call('DEL', records .. id)
end
`
	putScript = forgetScript + `
local id, data, created, expires, ends, most = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('HSET', KEYS[1], 'e', expires) -- fails where the server has no room, before anything is changed
forget(id)
if tonumber(expires) <= now then return 0 end
redis.call('HSET', KEYS[1], 'd', data, 'c', created, 'e', expires, 'n', ends)
redis.call('PEXPIREAT', KEYS[1], expires)
for i = 9, #ARGV do
  local link = links .. ARGV[i]
  redis.call('HSET', KEYS[1], 'l' .. (i - 8), ARGV[i])
  redis.call('ZREMRANGEBYSCORE', link, '-inf', string.format('%.0f', now))
  while i == 9 and redis.call('ZCARD', link) >= most do
    local first = redis.call('ZRANGE', link, 0, 0)[1]
    forget(first)
    redis.call('ZREM', link, first)
  end
  redis.call('ZADD', link, expires, id)
  if redis.call('PTTL', link) < tonumber(ends) - now then redis.call('PEXPIREAT', link, ends) end
end
return 1`

	extendScript = `
local times = redis.call('HMGET', KEYS[1], 'e', 'n')
if not times[1] then return 0 end
local to = ARGV[4]
if tonumber(to) > tonumber(times[2]) then to = times[2] end
if tonumber(to) <= tonumber(times[1]) then return 0 end
redis.call('HSET', KEYS[1], 'e', to)
redis.call('PEXPIREAT', KEYS[1], to)
local i = 1
local link = redis.call('HGET', KEYS[1], 'l1')
while link do
  redis.call('ZADD', ARGV[2] .. link, 'XX', to, ARGV[3])
  i = i + 1
  link = redis.call('HGET', KEYS[1], 'l' .. i)
end
return 1`

	setDataScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'd', ARGV[4]) end
return 1`

	deleteScript = forgetScript + `return forget(ARGV[3])`

	deleteLinkedScript = forgetScript + `
local ended = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do ended = ended + forget(id) end
redis.call('DEL', KEYS[1])
return ended`

	listLinkedScript = `
local answer = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local record = redis.call('HGETALL', ARGV[1] .. id)
  if #record > 0 then
    record[#record+1] = 'id'
    record[#record+1] = id
    answer[#answer+1] = record
  end
end
return answer`
)

const defaultMaxPerUser = 100

// SessionsConfig bounds a [Sessions]. Its zero value is ready.
type SessionsConfig struct {
	// MaxPerUser is how many sessions may have the same first link, which names the user. When another begins beyond that, the one of that
	// user which would expire first ends. Zero means 100.
	MaxPerUser int
}

// Sessions is a [callback.SessionStore] on the server. A session that one instance ended is refused by the next read of every other: reads
// go to the primary, and nothing is kept in between. Make one with [Engine.NewSessions]; it is safe for concurrent use.
//
// Records expire by the server's clock, at times that the instances' clocks set: keep them all by NTP. In a Cluster all sessions of a
// Prefix are on one node, since one change may concern many.
type Sessions struct {
	engine                                                 *Engine
	most                                                   string
	records, links                                         string
	put, extend, setData, remove, deleteLinked, listLinked *rueidis.Lua
}

var _ callback.SessionStore = (*Sessions)(nil)

// NewSessions returns a Sessions on e, or the mistake in c.
func (e *Engine) NewSessions(c SessionsConfig) (*Sessions, error) {
	if c.MaxPerUser == 0 {
		c.MaxPerUser = defaultMaxPerUser
	}
	if c.MaxPerUser < 1 {
		bad := invalid.Config{Package: "redis"}
		bad.Field("SessionsConfig.MaxPerUser", c.MaxPerUser, "must be at least 1")
		return nil, bad.Err()
	}
	base := e.config.Prefix + "session:{" + e.config.Prefix + "session}:"
	return &Sessions{
		engine: e, most: strconv.Itoa(c.MaxPerUser), records: base + "id:", links: base + "link:",
		put: rueidis.NewLuaScript(putScript), extend: rueidis.NewLuaScript(extendScript), setData: rueidis.NewLuaScript(setDataScript),
		remove: rueidis.NewLuaScript(deleteScript), deleteLinked: rueidis.NewLuaScript(deleteLinkedScript), listLinked: rueidis.NewLuaScript(listLinkedScript),
	}, nil
}

// Put implements [callback.SessionStore].
func (s *Sessions) Put(ctx context.Context, rec callback.SessionRecord) error {
	args := append([]string{rec.ID, string(rec.Data), unixMilli(rec.Created), unixMilli(rec.Expires), unixMilli(rec.Ends), s.most}, rec.Links...)
	return s.run(ctx, s.put, s.records+rec.ID, args...).Error()
}

// Get implements [callback.SessionStore].
func (s *Sessions) Get(ctx context.Context, id string) (callback.SessionRecord, bool, error) {
	fields, err := s.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Hgetall().Key(s.records+id).Build())
	}).AsStrMap()
	if err != nil || len(fields) == 0 {
		return callback.SessionRecord{}, false, err
	}
	rec, err := recordOf(id, fields)
	return rec, err == nil, err
}

// Extend implements [callback.SessionStore].
func (s *Sessions) Extend(ctx context.Context, id string, expires time.Time) error {
	return s.run(ctx, s.extend, s.records+id, id, unixMilli(expires)).Error()
}

// SetData implements [callback.SessionStore].
func (s *Sessions) SetData(ctx context.Context, id string, data []byte) error {
	return s.run(ctx, s.setData, s.records+id, id, string(data)).Error()
}

// Delete implements [callback.SessionStore].
func (s *Sessions) Delete(ctx context.Context, id string) error {
	return s.run(ctx, s.remove, s.records+id, id).Error()
}

// DeleteLinked implements [callback.SessionStore]. It is one step, during which the server does nothing else: some milliseconds for a thousand
// sessions. The number is that of this call alone: it is too low where the connection broke and the question was asked again.
func (s *Sessions) DeleteLinked(ctx context.Context, link string) (int, error) {
	n, err := s.run(ctx, s.deleteLinked, s.links+link).AsInt64()
	return int(n), err
}

// ListLinked implements [callback.SessionStore].
func (s *Sessions) ListLinked(ctx context.Context, link string) ([]callback.SessionRecord, error) {
	answer, err := s.run(ctx, s.listLinked, s.links+link).ToArray()
	if err != nil {
		return nil, err
	}
	list := make([]callback.SessionRecord, len(answer))
	for i := range answer {
		fields, err := answer[i].AsStrMap()
		if err == nil {
			list[i], err = recordOf(fields["id"], fields)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b callback.SessionRecord) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func (s *Sessions) run(ctx context.Context, script *rueidis.Lua, key string, args ...string) rueidis.RedisResult {
	return s.engine.run(ctx, script, []string{key}, append([]string{s.records, s.links}, args...))
}

func recordOf(id string, fields map[string]string) (callback.SessionRecord, error) {
	rec := callback.SessionRecord{ID: id, Data: []byte(fields["d"])}
	for name, to := range map[string]*time.Time{"c": &rec.Created, "e": &rec.Expires, "n": &rec.Ends} {
		n, err := strconv.ParseInt(fields[name], 10, 64)
		if err != nil {
			return callback.SessionRecord{}, fmt.Errorf("redis: a session's record is not one of this package's: field %s", name)
		}
		*to = time.UnixMilli(n)
	}
	for i := 1; ; i++ {
		link, found := fields["l"+strconv.Itoa(i)]
		if !found {
			return rec, nil
		}
		rec.Links = append(rec.Links, link)
	}
}

func unixMilli(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
