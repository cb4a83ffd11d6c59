package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/redis/rueidis"
)

var _ callback.MarkStore = (*Marks)(nil)

// spendScript sets a mark that is not set. ARGV[1] tells one call from another, so that a call which is asked twice spends once.
const spendScript = `
local spent = redis.call('GET', KEYS[1])
if spent then return spent == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

// Marks remember what may be used once: a ticket, a link in an e-mail, the state of a flow, the id of a token. They are a
// [callback.MarkStore]. Make them with [Engine.NewMarks]; they are safe for concurrent use. All Marks of one Prefix are the same: begin the
// names of each kind of thing with a word of their own. The server sees a hash of a name alone.
type Marks struct {
	engine *Engine
	spend  *rueidis.Lua
	base   string
}

var _ callback.MarkStore = (*Marks)(nil)

// NewMarks returns Marks on e.
func (e *Engine) NewMarks() *Marks {
	return &Marks{engine: e, spend: rueidis.NewLuaScript(spendScript), base: e.config.Prefix + "mark:"}
}

// Spend sets the mark name and reports whether it was the first to, of all instances. The mark stays for keep, which must be at least as
// long as what it stands for is valid; not above zero, or above ten years, is an error. On an error do not let the thing be used: it may have
// been before, and the server may have spent it for this call.
func (m *Marks) Spend(ctx context.Context, name string, keep time.Duration) (first bool, err error) {
	if err := checkKeep("keep", keep); err != nil {
		return false, err
	}
	spent, err := m.engine.run(ctx, m.spend, []string{m.key(name)}, []string{rand.Text(), milliseconds(keep)}).AsInt64()
	return spent == 1, err
}

// Spent reports whether the mark name is set. On an error it may be.
func (m *Marks) Spent(ctx context.Context, name string) (bool, error) {
	n, err := m.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Exists().Key(m.key(name)).Build())
	}).AsInt64()
	return n == 1, err
}

// Release takes the mark name back, whoever set it: call it only after a Spend that was the first, where the use did not happen after all. On an
// error it may be set still.
func (m *Marks) Release(ctx context.Context, name string) error {
	return m.engine.ask(ctx, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Unlink().Key(m.key(name)).Build())
	}).Error()
}

func (m *Marks) key(name string) string {
	sum := sha256.Sum256([]byte(name))
	return m.base + hex.EncodeToString(sum[:])
}
