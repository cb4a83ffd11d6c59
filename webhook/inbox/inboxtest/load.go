package inboxtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// A Load is providers that send events all the while, each again until it is acknowledged. It is safe for use by many goroutines.
type Load struct {
	t         *testing.T
	over      []inbox.Accepter
	stop      context.CancelFunc
	providers sync.WaitGroup

	mu           sync.Mutex
	acknowledged []string
	refused      int
}

// StartLoad begins a Load of n providers over inboxes of one ledger. It ends with [Load.Stop], or with the test. Its events are of provider "p", with
// the types "t0", "t1" and "t2".
func StartLoad(t *testing.T, n int, over ...inbox.Accepter) *Load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &Load{t: t, over: over, stop: stop}
	for p := range n {
		l.providers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.send(ctx, i, fmt.Sprint(p, "-", i))
				time.Sleep(nextAfter)
			}
		})
	}
	return l
}

const (
	answerWithin = 5 * time.Second       // is how long a provider waits for an answer
	nextAfter    = 20 * time.Millisecond // is how long it waits after one: what is stored is to be handled too
)

func (l *Load) send(ctx context.Context, i int, id string) {
	for ctx.Err() == nil {
		short, end := context.WithTimeout(ctx, answerWithin)
		_, err := l.over[i%len(l.over)].Accept(short, Event("p", fmt.Sprint("t", i%3), id))
		end()
		l.mu.Lock()
		if err == nil {
			l.acknowledged = append(l.acknowledged, id)
			l.mu.Unlock()
			return
		}
		l.refused++
		l.mu.Unlock()
		if !errors.Is(err, webhook.ErrUnavailable) {
			l.t.Errorf("Accept: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Counts returns how many events were acknowledged, and how often one was refused.
func (l *Load) Counts() (acknowledged, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged), l.refused
}

// GoesOn waits until n more events were acknowledged.
func (l *Load) GoesOn(n int) {
	l.t.Helper()
	before, _ := l.Counts()
	testwait.Until(l.t, fmt.Sprint("the acknowledgement of ", n, " events"), func() bool {
		now, _ := l.Counts()
		return now >= before+n
	})
}

// IsRefused waits until one more event was refused.
func (l *Load) IsRefused() {
	l.t.Helper()
	_, before := l.Counts()
	testwait.Until(l.t, "a refusal", func() bool {
		_, now := l.Counts()
		return now > before
	})
}

// Stop ends the Load, and returns the numbers of the events that were acknowledged, for [Once]. It may be called again.
func (l *Load) Stop() []string {
	l.t.Helper()
	l.stop()
	testwait.End(l.t, "the providers", l.providers.Wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.acknowledged)
}
