package redis

import (
	"sync"

	"github.com/gatehouse-go/gatehouse/webhook"
)

const (
	// maxDoubts bounds the claims in doubt; what is beyond it waits for the end of its lease. No more than Config.MaxPending arise at once.
	maxDoubts = 1024
	// doubtsAtOnce bounds what one call does for others before it.
	doubtsAtOnce = 16
)

// doubt is a claim of which it is not known whether the server gave it.
type doubt struct {
	key   webhook.Key
	token string
}

// doubts is a bounded list of them.
type doubts struct {
	mu   sync.Mutex
	list []doubt
}

func (d *doubts) add(one doubt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) < maxDoubts {
		d.list = append(d.list, one)
	}
}

// take removes and returns the last few.
func (d *doubts) take() []doubt {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := max(0, len(d.list)-doubtsAtOnce)
	some := append([]doubt(nil), d.list[n:]...)
	d.list = d.list[:n]
	return some
}
