package callbacktest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// TestMarkStore runs the suite that every [callback.MarkStore] must pass, each part on a new store. The stores may share a server, as long as
// they share no marks. One part waits about a second.
func TestMarkStore(t *testing.T, open func(t *testing.T) callback.MarkStore) {
	t.Helper()
	suite(t, markStoreChecks, open)
}

var markStoreChecks = map[string]func(*problems, callback.MarkStore){
	"a name is spent once":                      spentOnce,
	"a released name can be spent again":        markReleased,
	"a mark is forgotten after its time":        markForgotten,
	"names are told apart, whatever is in them": namesApart,
	"of many at once one is first":              oneIsFirst,
}

func spend(p *problems, s callback.MarkStore, name string, keep time.Duration, want bool) {
	if first, err := s.Spend(p.ctx, name, keep); first != want || err != nil {
		p.add("Spend(%q) = %v, %v, want %v", name, first, err, want)
	}
}

func wantSpent(p *problems, s callback.MarkStore, name string, want bool) {
	if spent, err := s.Spent(p.ctx, name); spent != want || err != nil {
		p.add("Spent(%q) = %v, %v, want %v", name, spent, err, want)
	}
}

func spentOnce(p *problems, s callback.MarkStore) {
	wantSpent(p, s, "a", false)
	spend(p, s, "a", time.Hour, true)
	wantSpent(p, s, "a", true)
	spend(p, s, "a", time.Hour, false)
	spend(p, s, "b", time.Hour, true)
}

func markReleased(p *problems, s callback.MarkStore) {
	p.none("Release of nothing", s.Release(p.ctx, "a"))
	spend(p, s, "a", time.Hour, true)
	spend(p, s, "b", time.Hour, true)
	p.none("Release", s.Release(p.ctx, "a"))
	wantSpent(p, s, "a", false)
	wantSpent(p, s, "b", true)
	spend(p, s, "a", time.Hour, true)
	spend(p, s, "a", time.Hour, false)
}

func markForgotten(p *problems, s callback.MarkStore) {
	spend(p, s, "long", time.Hour, true)
	spend(p, s, "short", time.Second, true)
	spend(p, s, "long", time.Second, false) // which does not shorten the mark
	time.Sleep(1200 * time.Millisecond)
	wantSpent(p, s, "short", false)
	spend(p, s, "short", time.Hour, true)
	wantSpent(p, s, "long", true)
}

func namesApart(p *problems, s callback.MarkStore) {
	names := []string{"", " ", "a", "A", "a ", "a\x00", "a\x00b", "*", "a*", "{a}", "ä", "\xff", "a\r\nb"}
	for _, name := range names {
		spend(p, s, name, time.Hour, true)
	}
	for _, name := range names {
		wantSpent(p, s, name, true)
	}
	p.none("Release", s.Release(p.ctx, "*"))
	wantSpent(p, s, "a*", true)
}

func oneIsFirst(p *problems, s callback.MarkStore) {
	for n := range 20 {
		var firsts atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				first, err := s.Spend(p.ctx, strconv.Itoa(n), time.Hour)
				p.none("Spend", err)
				if first {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		if got := firsts.Load(); got != 1 {
			p.add("%d were first to spend one name", got)
		}
	}
}
