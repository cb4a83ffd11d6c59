package redis

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/redis/rueidis"
)

// rateScript is the generic cell rate algorithm on several buckets in one step. A bucket is the time at which it is full again; one that is
// full has no key. Lua's numbers are exact to 2^53 alone, less than the nanoseconds of four months, so that times are in two parts: seconds
// and nanoseconds. ARGV has four numbers for each key: what to take, and what the bucket holds when full, as times. The answer has three: 1
// where there was enough, and how long the bucket takes to be full now.
const rateScript = `
local clock = redis.call('TIME')
local now_s, now_n = tonumber(clock[1]), tonumber(clock[2]) * 1000
local answer, buckets, enough = {}, {}, true
for i, key in ipairs(KEYS) do
  local cost_s, cost_n = tonumber(ARGV[4*i-3]), tonumber(ARGV[4*i-2])
  local full_s, full_n = tonumber(ARGV[4*i-1]), tonumber(ARGV[4*i])
  local owed_s, owed_n = 0, 0
  local saved = redis.call('GET', key)
  if saved then
    local dot = string.find(saved, '.', 1, true)
    owed_s, owed_n = tonumber(string.sub(saved, 1, dot-1)) - now_s, tonumber(string.sub(saved, dot+1)) - now_n
    if owed_n < 0 then owed_s, owed_n = owed_s - 1, owed_n + 1e9 end
    if owed_s < 0 then owed_s, owed_n = 0, 0 end
    if owed_s > full_s or owed_s == full_s and owed_n > full_n then owed_s, owed_n = full_s, full_n end
  end
  local sum_s, sum_n = owed_s + cost_s, owed_n + cost_n
  if sum_n >= 1e9 then sum_s, sum_n = sum_s + 1, sum_n - 1e9 end
  local ok = sum_s < full_s or sum_s == full_s and sum_n <= full_n
  enough = enough and ok
  answer[3*i-2], answer[3*i-1], answer[3*i] = ok and 1 or 0, owed_s, owed_n
  buckets[i] = {sum_s, sum_n, cost_s + cost_n > 0}
end
if enough then
  for i, bucket in ipairs(buckets) do
    if bucket[3] then
      local s, n = now_s + bucket[1], now_n + bucket[2]
      if n >= 1e9 then s, n = s + 1, n - 1e9 end
      redis.call('SET', KEYS[i], string.format('%.0f.%.0f', s, n), 'PX', string.format('%.0f', bucket[1] * 1000 + math.ceil(bucket[2] / 1e6)))
    end
    answer[3*i-1], answer[3*i] = bucket[1], bucket[2]
  end
end
return answer`

// ErrSlots is the reason for which a [RateStore] that spreads refuses a question about buckets of several keys.
var ErrSlots = errors.New("redis: buckets of one question are of several keys, which RateStoreConfig.Spread does not allow")

// RateStoreConfig says where the buckets of a Cluster are, and what is remembered here. Its zero value is ready.
type RateStoreConfig struct {
	// Spread puts each client's buckets on the node of its own hash slot, so that a Cluster shares the work. It asks that all policies of a
	// RateLimit have the same Key; [ErrSlots] is the error where they do not. Without it all buckets are in one slot, on one node, and
	// policies may have any Keys. A server that is no Cluster gains nothing by it.
	Spread bool

	// AskAlways asks the server about clients that it has just refused, too. Without it this process remembers 10,000 refusals, of about
	// 400 bytes each, and repeats one until the client would be allowed again, for ten seconds at most: a flood from few clients costs
	// the server little. Decisions are the same, but where somebody deletes a bucket on the server.
	AskAlways bool
}

// RateStore is a [security.RateStore] on the server: exact whatever the number of instances, several policies in one script, by the
// server's clock. Make one with [Engine.NewRateStore]; it is safe for concurrent use.
//
// All stores of one Prefix share their buckets. The names of policies keep the buckets of several RateLimits apart: give them different ones.
type RateStore struct {
	engine  *Engine
	script  *rueidis.Lua
	spread  bool
	base    string
	denials *denials // or nil
}

var _ security.RateStore = (*RateStore)(nil)

// NewRateStore returns a RateStore on e.
func (e *Engine) NewRateStore(c RateStoreConfig) *RateStore {
	s := &RateStore{engine: e, script: rueidis.NewLuaScript(rateScript), spread: c.Spread, base: e.config.Prefix + "rate:"}
	if !c.AskAlways {
		s.denials = newDenials()
	}
	return s
}

// Take implements [security.RateStore]. A take without a key, an Interval above zero, a Burst of at least 1 and a Cost of at least 0 is an
// error, and so are two of one key, and a bucket that takes more than a century to fill.
func (s *RateStore) Take(ctx context.Context, takes []security.RateTake, states []security.RateResult) error {
	// A server in doubt is asked, or else nobody would learn that it is out.
	if len(takes) > 0 && len(takes) == len(states) && s.engine.gate.sound() && s.denials.answer(takes, states) {
		return nil
	}
	keys, args, err := s.question(takes, len(states))
	if err != nil {
		return err
	}
	asked := time.Now()
	answer, err := s.engine.run(ctx, s.script, keys, args).AsIntSlice()
	if err != nil {
		return err
	}
	if len(answer) != 3*len(takes) {
		return fmt.Errorf("redis: %d numbers in answer to %d takes", len(answer), len(takes))
	}
	owed, refused := make([]time.Duration, len(takes)), false
	for i, t := range takes {
		owed[i] = time.Duration(answer[3*i+1])*time.Second + time.Duration(answer[3*i+2])
		states[i] = taken(t, answer[3*i] == 1, owed[i])
		refused = refused || !states[i].Allowed
	}
	if refused {
		s.denials.add(takes, states, owed, asked)
	}
	return nil
}

// longest bounds the time that a bucket takes to fill: a century, which fits in a Duration twice.
const longest = 100 * 366 * 24 * time.Hour

func (s *RateStore) question(takes []security.RateTake, states int) (keys, args []string, err error) {
	if len(takes) == 0 || states != len(takes) {
		return nil, nil, fmt.Errorf("redis: %d takes and %d states, want as many, and one at least", len(takes), states)
	}
	keys, args = make([]string, len(takes)), make([]string, 0, 4*len(takes))
	slot := s.slot(takes[0].Key)
	for i, t := range takes {
		if t.Key == "" || t.Interval <= 0 || t.Burst < 1 || t.Cost < 0 || t.Interval > longest/time.Duration(t.Burst) {
			return nil, nil, fmt.Errorf("redis: no bucket has Interval %v, Burst %d and Cost %d, or no key", t.Interval, t.Burst, t.Cost)
		}
		for _, other := range takes[:i] {
			if other.Key == t.Key {
				return nil, nil, errors.New("redis: two takes are of one bucket")
			}
		}
		if s.slot(t.Key) != slot {
			return nil, nil, ErrSlots
		}
		keys[i] = s.base + "{" + slot + "}:" + t.Key
		full := t.Interval * time.Duration(t.Burst)
		cost := full + 1 // above what there can be
		if t.Cost <= t.Burst {
			cost = t.Interval * time.Duration(t.Cost)
		}
		args = appendTime(appendTime(args, cost), full)
	}
	return keys, args, nil
}

// slot returns what decides on the hash slot of a bucket: the client's part of its key, which follows the last colon.
func (s *RateStore) slot(key string) string {
	if !s.spread {
		return s.engine.config.Prefix + "rate"
	}
	h := fnv.New64a() // a key may have braces in it, which would end the tag
	_, _ = h.Write([]byte(key[strings.LastIndexByte(key, ':')+1:]))
	return strconv.FormatUint(h.Sum64(), 36)
}

func appendTime(args []string, d time.Duration) []string {
	return append(args, strconv.FormatInt(int64(d/time.Second), 10), strconv.FormatInt(int64(d%time.Second), 10))
}

// taken says what a bucket holds that takes owed to be full.
func taken(t security.RateTake, allowed bool, owed time.Duration) security.RateResult {
	room := t.Interval*time.Duration(t.Burst) - owed
	state := security.RateResult{Allowed: allowed, Remaining: int(room / t.Interval)}
	if owed > 0 {
		state.Next = time.Duration(state.Remaining+1)*t.Interval - room
	}
	if !allowed {
		state.Wait = time.Duration(min(t.Cost, t.Burst))*t.Interval - room
	}
	return state
}
