package redis_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// A server that is out is tried by one call at a time, however long that takes to fail, and what can be left out is left out meanwhile.
func TestOneCallAtATimeTriesAServerThatIsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		g := redis.NewGate(nil)
		hang := func() error { time.Sleep(timeout); return errors.New("no answer") }
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { g.Ask(hang) })
		}
		all.Wait()
		var now, most, asked atomic.Int64
		began := time.Now()
		for range 20 {
			all.Go(func() {
				for time.Since(began) < 10*timeout {
					g.Ask(func() error {
						asked.Add(1)
						most.Store(max(most.Load(), now.Add(1)))
						defer now.Add(-1)
						return hang()
					})
					if now.Load() > 0 && !g.InDoubt() {
						t.Error("no doubt while a call tries the server")
					}
					time.Sleep(7 * time.Millisecond)
				}
			})
		}
		all.Wait()
		if most.Load() != 1 || asked.Load() < 9 || asked.Load() > 10 {
			t.Errorf("%d calls at once, %d in all", most.Load(), asked.Load())
		}
		time.Sleep(time.Second)
		if !g.Ask(func() error { return nil }) || g.InDoubt() || !g.Ask(func() error { return nil }) {
			t.Error("the server answers, and is kept from calls")
		}
	})
}

// A call that was asked before the server went out, or before it came back, says nothing of what came after: its answer is no end of the outage, and
// its failure no further one.
func TestCallsFromBeforeAnOutageOrItsEndAreNoNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []bool // of an outage, or its end
		g := redis.NewGate(func(err error) { told = append(told, err != nil) })
		failure := errors.New("no answer")
		var all sync.WaitGroup
		defer all.Wait()
		for range 5 {
			all.Go(func() { g.Ask(func() error { time.Sleep(100 * time.Millisecond); return nil }) })
			all.Go(func() { g.Ask(func() error { time.Sleep(10 * time.Second); return failure }) })
		}
		synctest.Wait()
		for range 3 {
			g.Ask(func() error { return failure })
		}
		time.Sleep(200 * time.Millisecond)
		if g.Ask(func() error { return failure }) || !g.InDoubt() || !slices.Equal(told, []bool{true}) {
			t.Errorf("an answer from before the outage ends it: in doubt %v, told %v", g.InDoubt(), told)
		}
		time.Sleep(time.Second)
		if !g.Ask(func() error { return failure }) || g.Ask(func() error { return nil }) {
			t.Error("a server that did not answer is not left alone")
		}
		time.Sleep(time.Second)
		if !g.Ask(func() error { return nil }) || g.InDoubt() || !slices.Equal(told, []bool{true, false}) {
			t.Errorf("the server answers: in doubt %v, told %v", g.InDoubt(), told)
		}
		all.Wait()
		if g.InDoubt() || !slices.Equal(told, []bool{true, false}) {
			t.Errorf("failures from before the end of the outage begin another: in doubt %v, told %v", g.InDoubt(), told)
		}
	})
}
