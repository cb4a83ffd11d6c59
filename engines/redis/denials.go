package redis

import (
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/maypok86/otter/v2"
)

const (
	maxDenials = 10_000
	// longestDenial is when the server is asked again about a bucket that takes longer to fill: somebody may have deleted it there.
	longestDenial = 10 * time.Second
)

// denials remember questions that the server refused, until it would not: until then a bucket only gains what time gives it, and others only take
// from it, so that the answer is known. Its methods do nothing on nil.
type denials struct{ refused *otter.Cache[string, denial] }

// denial is a refusal.
type denial struct {
	asked time.Time // before the server was: it refuses no shorter
	lasts time.Duration
	takes []security.RateTake
	owed  []time.Duration // what each bucket took to be full
}

func newDenials() *denials {
	return &denials{refused: otter.Must(&otter.Options[string, denial]{ // which are valid
		MaximumSize:      maxDenials,
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, denial]) time.Duration { return e.Value.lasts }),
		Clock:            stillClock{},
	})}
}

// nameOfQuestion names what is asked by the keys of its buckets, which have no line ends in them.
func nameOfQuestion(takes []security.RateTake) string {
	if len(takes) == 1 {
		return takes[0].Key
	}
	keys := make([]string, len(takes))
	for i := range takes {
		keys[i] = takes[i].Key
	}
	return strings.Join(keys, "\n")
}

// add notes that takes were refused, with what each bucket owed.
func (d *denials) add(takes []security.RateTake, states []security.RateResult, owed []time.Duration, asked time.Time) {
	if d == nil {
		return
	}
	var lasts time.Duration
	for _, s := range states {
		if !s.Allowed {
			lasts = max(lasts, s.Wait)
		}
	}
	lasts = min(lasts, longestDenial)
	if lasts <= 0 {
		return
	}
	d.refused.Set(nameOfQuestion(takes), denial{asked: asked, lasts: lasts, takes: append([]security.RateTake(nil), takes...), owed: owed})
}

// answer answers takes where it is known that the server would refuse them. What it says of buckets that are not at fault is what the
// server said last, and what time gave them since.
func (d *denials) answer(takes []security.RateTake, states []security.RateResult) bool {
	if d == nil {
		return false
	}
	held, found := d.refused.GetIfPresent(nameOfQuestion(takes))
	if !found || len(held.takes) != len(takes) {
		return false
	}
	since := time.Since(held.asked)
	if since >= held.lasts {
		return false
	}
	for i, t := range takes {
		was := held.takes[i]
		if t.Key != was.Key || t.Interval != was.Interval || t.Burst != was.Burst || t.Cost < was.Cost {
			return false
		}
	}
	refused := false
	for i, t := range takes {
		owed := max(0, held.owed[i]-since)
		full := t.Interval * time.Duration(t.Burst)
		allowed := t.Cost <= t.Burst && owed+t.Interval*time.Duration(t.Cost) <= full
		states[i] = taken(t, allowed, owed)
		refused = refused || !allowed
	}
	return refused
}
