package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/redis/rueidis"
)

// A key is "done", or the claim "token end", where end is the millisecond of the server's clock at which the lease is over. A claim stays
// for as long again and a minute, so that a holder who comes late still is told from one who lost it.
const (
	claimScript = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local held = redis.call('GET', KEYS[1])
if held == 'done' then return 2 end
if held then
  local space = string.find(held, ' ', 1, true)
  if string.sub(held, 1, space-1) ~= ARGV[1] and tonumber(string.sub(held, space+1)) > now then return 3 end
end
local lease = tonumber(ARGV[2])
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%.0f', now + lease), 'PX', string.format('%.0f', 2 * lease + 60000))
return 1`

	// endScript ends a claim that is still the caller's: as done for ARGV[2] milliseconds, or altogether. A server without room refuses what
	// needs some, unless the script has written before: after DEL it takes the word that an event is done, which is shorter than what was
	// there.
	endScript = `
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] then redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2]) end
return 1`
)

// maxKeep bounds leases and the time for which an event is remembered, so that no sum of milliseconds leaves what the server can count.
const maxKeep = 10 * 366 * 24 * time.Hour

// Deduper is a [webhook.Deduper] on the server: of all instances one handles an event. Make one with [Engine.NewDeduper]; it is safe for
// concurrent use.
//
// A handled event costs about 150 bytes for as long as it is kept, which webhook.Config decides. All dedupers of one Prefix
// share their keys, which webhook.Config.Scope keeps apart.
type Deduper struct {
	engine     *Engine
	claim, end *rueidis.Lua
	base       string
	doubts     doubts
}

var _ webhook.Deduper = (*Deduper)(nil)

// NewDeduper returns a Deduper on e.
func (e *Engine) NewDeduper() *Deduper {
	return &Deduper{engine: e, claim: rueidis.NewLuaScript(claimScript), end: rueidis.NewLuaScript(endScript), base: e.config.Prefix + "event:"}
}

// Claim implements [webhook.Deduper]. A lease that is not above zero, or above ten years, is an error.
func (d *Deduper) Claim(ctx context.Context, key webhook.Key, lease time.Duration) (webhook.Claim, error) {
	if err := checkKeep("lease", lease); err != nil {
		return webhook.Claim{}, err
	}
	token := rand.Text()
	state, err := d.engine.run(ctx, d.claim, d.keys(key), []string{token, milliseconds(lease)}).AsInt64()
	if err != nil {
		if err != ErrOut && err != ErrBusy { //nolint:errorlint // bare, they mean that the server was not asked
			d.doubts.add(doubt{key, token})
		}
		return webhook.Claim{}, err
	}
	d.settle(ctx)
	switch state {
	case 1:
		return webhook.Claim{State: webhook.ClaimTaken, Token: token}, nil
	case 2:
		return webhook.Claim{State: webhook.ClaimDone}, nil
	default:
		return webhook.Claim{State: webhook.ClaimBusy}, nil
	}
}

// Confirm implements [webhook.Deduper]. A keep that is not above zero, or above ten years, is an error.
func (d *Deduper) Confirm(ctx context.Context, key webhook.Key, c webhook.Claim, keep time.Duration) error {
	if err := checkKeep("keep", keep); err != nil {
		return err
	}
	return d.engine.run(ctx, d.end, d.keys(key), []string{c.Token, milliseconds(keep)}).Error()
}

// Release implements [webhook.Deduper].
func (d *Deduper) Release(ctx context.Context, key webhook.Key, c webhook.Claim) error {
	return d.engine.run(ctx, d.end, d.keys(key), []string{c.Token}).Error()
}

// settle releases claims that the server may have given without its answer coming through: a server that was stopped does what waits for it
// when it goes on. Each would keep its event from all instances until its lease is over.
func (d *Deduper) settle(ctx context.Context) {
	up := true
	for _, one := range d.doubts.take() {
		up = up && d.Release(ctx, one.key, webhook.Claim{Token: one.token}) == nil // who waited for one that failed waits for no other
		if !up {
			d.doubts.add(one)
		}
	}
}

func (d *Deduper) keys(key webhook.Key) []string { return []string{d.base + key.String()} }

func checkKeep(what string, d time.Duration) error {
	if d <= 0 || d > maxKeep {
		return fmt.Errorf("redis: %s = %v must be above 0, and at most ten years", what, d)
	}
	return nil
}

// milliseconds returns d in the unit of the server's expiry, rounded up: what is to be kept for d is kept no shorter.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}
