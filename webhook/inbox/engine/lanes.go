package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Poll is how often a dispatcher looks for what nobody told it about: deliveries that another process stored.
const Poll = time.Second

// A Lane is all deliveries of one type.
type Lane struct{ Provider, Type string }

// Lanes is what a dispatcher knows of the types: which may have something due, and when the others will. [Lanes.Init] makes it ready; then
// it is safe for use by many goroutines.
type Lanes struct {
	signal chan struct{} // has a token when something changed

	mu     sync.Mutex
	known  map[Lane]*laneState
	turn   int // rotates, so that no lane is always first
	limits map[Lane]*rate.Limiter
}

type laneState struct {
	next   time.Time // when the next delivery is due; zero means that it may be now
	idle   bool      // nothing is pending
	paused bool
}

// Init makes s ready, with the rates of c.
func (s *Lanes) Init(c inbox.Config) {
	s.signal, s.known, s.limits = make(chan struct{}, 1), map[Lane]*laneState{}, map[Lane]*rate.Limiter{}
	for _, r := range c.Rates {
		s.limits[Lane{r.Provider, r.Type}] = rate.NewLimiter(r.Limit, r.Burst)
	}
}

// Signal returns a channel that has a token when a lane was woken since the last token was taken.
func (s *Lanes) Signal() <-chan struct{} { return s.signal }

func (s *Lanes) notify() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// Wake says that l has something due now.
func (s *Lanes) Wake(l Lane) {
	s.mu.Lock()
	state := s.state(l)
	state.idle, state.next = false, time.Time{}
	s.mu.Unlock()
	s.notify()
}

func (s *Lanes) state(l Lane) *laneState {
	state := s.known[l]
	if state == nil {
		state = &laneState{idle: true}
		s.known[l] = state
	}
	return state
}

// Settle notes when l's next delivery is due, unless somebody woke l after it got its share.
func (s *Lanes) Settle(l Lane, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state := s.state(l); state.idle {
		state.next, state.idle = next, false
	}
}

// Refresh learns when each lane with pending deliveries has its first due, and which lanes are paused.
func (s *Lanes) Refresh(pending map[Lane]time.Time, paused []Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, due := range pending {
		if state := s.state(l); state.idle || due.Before(state.next) {
			state.idle, state.next = false, due
		}
	}
	for _, state := range s.known {
		state.paused = false
	}
	for _, l := range paused {
		s.state(l).paused = true
	}
}

// A Share is how many deliveries may be claimed of a lane.
type Share struct {
	Lane Lane
	N    int
}

// Shares divides free workers among the lanes that have something due, and returns when to look again at the latest. Lanes that
// get a share are taken to be idle until they are settled or woken.
func (s *Lanes) Shares(now time.Time, free int) (shares []Share, again time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again = now.Add(Poll)
	var due []Lane
	for l, state := range s.known {
		switch {
		case state.idle || state.paused:
		case state.next.After(now):
			again = earlier(again, state.next)
		default:
			due = append(due, l)
		}
	}
	if len(due) == 0 || free <= 0 {
		return nil, again
	}
	slices.SortFunc(due, func(a, b Lane) int { return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Type, b.Type)) })
	s.turn++
	for i := range due {
		l := due[(i+s.turn)%len(due)]
		n := min(free, max(1, free/(len(due)-i)))
		if n = s.permitted(l, n); n == 0 {
			again = earlier(again, s.known[l].next)
			continue
		}
		s.known[l].idle = true
		shares = append(shares, Share{l, n})
		if free -= n; free == 0 {
			break
		}
	}
	return shares, again
}

// permitted takes up to n permits of l's rate. Where there are none, it notes when the next will be there.
func (s *Lanes) permitted(l Lane, n int) int {
	limiter := s.limits[l]
	if limiter == nil {
		return n
	}
	taken := 0
	for taken < n && limiter.Allow() {
		taken++
	}
	if taken == 0 {
		s.known[l].next = time.Now().Add(time.Duration(float64(time.Second) / float64(limiter.Limit())))
	}
	return taken
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
