package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"
)

// The log is a stream. Each message has a random tip and names the tip of the one before it: who reads a message that follows another than the
// last it knows has missed something, be it that the log was cut, lost, or put back to an older state by a failover.
const (
	// announceScript appends a message. KEYS are the log and its head, which has the tip and the number of the last message. A log without a
	// head is of no use. A server without room refuses the number, and nothing is changed.
	announceScript = `
local before = redis.call('HGET', KEYS[2], 'tip') or ''
local number = redis.call('HINCRBY', KEYS[2], 'number', 1)
if before == '' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[2], 'tip', ARGV[1])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], number .. '-0', 'tip', ARGV[1], 'after', before, 'at', redis.call('TIME')[1], 'from', ARGV[2], 'message', ARGV[3])
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('EXPIRE', KEYS[2], 604800)
return number`

	// headScript gives the tip and the number of the last message, and the clock.
	headScript = `
local head = redis.call('HMGET', KEYS[2], 'tip', 'number')
return {head[1] or '', head[2] or '0', redis.call('TIME')[1]}`
)

const (
	defaultMaxLog = 1000
	minLag        = 50 * time.Millisecond
	maxLag        = time.Minute
	defaultLag    = 250 * time.Millisecond
	// clockSlack is how far the clocks of instances and server may be apart.
	clockSlack = 2 * time.Second
)

// InvalidationsConfig says how instances tell each other of invalidations.
type InvalidationsConfig struct {
	// MaxLog is how many messages the server remembers, for instances that start or come back; at least so many. One that missed more forgets
	// what is older than the log. Each request of an unsafe method that a cache sees is a message too, of about the length of its URLs. Zero means
	// 1000; at most 100,000.
	MaxLog int

	// Lag is the longest that an instance uses what it has without knowing that nothing of it was invalidated: it hears from the server in that
	// time, or forgets what it has. An answer that takes more than a quarter of it may count as none. Zero means 250 ms; from 50 ms to 1 min.
	Lag time.Duration

	// ServeOld lets an instance that does not hear the server go on serving what it has, which others may have invalidated. False makes it
	// forget what it has, again and again until it hears the server: its cache is as good as empty meanwhile.
	ServeOld bool
}

// Invalidations carry what one instance invalidates to all. Make one for each Cache with [Engine.NewInvalidations]: Announce is for its
// revalidate.Config.OnInvalidate, and Run must run for as long as the Cache is used. It is safe for concurrent use.
//
// Messages are numbered and kept in a short log, so that an instance knows when it missed one. It then reads what it missed in the log,
// or, where the log does not reach so far, forgets all that is older than the log.
type Invalidations struct {
	engine         *Engine
	config         InvalidationsConfig
	self           string
	keys           []string
	announce, head *rueidis.Lua

	// What tests are told, or nil: that all from before a time is forgotten, and that a message was passed on.
	forgot func(before time.Time)
	passed func(revalidate.Invalidation)
}

// NewInvalidations returns Invalidations on e, or every mistake in c.
func (e *Engine) NewInvalidations(c InvalidationsConfig) (*Invalidations, error) {
	bad := invalid.Config{Package: "redis"}
	if c.MaxLog == 0 {
		c.MaxLog = defaultMaxLog
	}
	if c.MaxLog < 1 || c.MaxLog > 100_000 {
		bad.Field("InvalidationsConfig.MaxLog", c.MaxLog, "must be from 1 to 100,000")
	}
	if c.Lag == 0 {
		c.Lag = defaultLag
	}
	if c.Lag < minLag || c.Lag > maxLag {
		bad.Field("InvalidationsConfig.Lag", c.Lag, "must be from 50ms to 1m")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	base := e.config.Prefix + "invalidation:{" + e.config.Prefix + "invalidation}:"
	return &Invalidations{
		engine: e, config: c, self: rand.Text(), keys: []string{base + "log", base + "head"},
		announce: rueidis.NewLuaScript(announceScript), head: rueidis.NewLuaScript(headScript),
	}, nil
}

// message is an invalidation in JSON. Names are bytes: a path or URL need not be UTF-8.
type message struct {
	Version  int
	Tags     []string        `json:",omitempty"`
	Prefixes []string        `json:",omitempty"`
	Paths    [][]byte        `json:",omitempty"`
	Mode     revalidate.Mode `json:",omitempty"`
	Window   time.Duration   `json:",omitempty"`

	// Since purgeVersion.
	URLs   [][]byte           `json:",omitempty"`
	Groups []revalidate.Group `json:",omitempty"`
	All    bool               `json:",omitempty"`
}

// purges tells a message that instances of version 1 would read wrong.
func (m *message) purges() bool { return m.All || len(m.URLs)+len(m.Groups) > 0 }

// Versions of a message. Each has the lowest that it can, so that instances of an older version take what they know; they forget everything on
// what they do not know.
const (
	tagVersion   = 1
	purgeVersion = 2
)

func messageOf(inv revalidate.Invalidation) (string, error) {
	m := message{Version: tagVersion, Tags: inv.Tags, Prefixes: inv.TagPrefixes, Mode: inv.Mode, Window: inv.Window, Groups: inv.Groups, All: inv.All}
	for _, path := range inv.Paths {
		m.Paths = append(m.Paths, []byte(path))
	}
	for _, url := range inv.URLs {
		m.URLs = append(m.URLs, []byte(url))
	}
	if m.purges() {
		m.Version = purgeVersion
	}
	text, err := json.Marshal(m) // strings and numbers: it does not fail
	return string(text), err
}

// Announce tells the other instances of inv. After it returns nil, each that hears the server has it within milliseconds, and each that does not
// has forgotten what it has within InvalidationsConfig.Lag, as far as its machine lets it run. On an error some may have it and others not: invalidate
// again.
func (v *Invalidations) Announce(ctx context.Context, inv revalidate.Invalidation) error {
	text, err := messageOf(inv)
	if err != nil {
		return err
	}
	return v.engine.run(ctx, v.announce, v.keys, []string{rand.Text(), v.self, text, strconv.Itoa(v.config.MaxLog)}).Error()
}

// Run tells c what other instances announce, until ctx ends; the error is then ctx's, or [ErrClosed] after [Engine.Close]. While the server is
// out it tries again, and does what InvalidationsConfig.ServeOld says. Until it has read the log for the first time, which takes milliseconds,
// c may serve from a shared store what was invalidated before: begin it before the program serves.
func (v *Invalidations) Run(ctx context.Context, c *revalidate.Cache) error {
	f := follower{v: v, log: serverLog{v}, cache: c}
	return f.follow(ctx)
}
