package inboxtest

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Start runs box until the test ends or stop is called, which waits for Run.
func Start[T any](t *testing.T, box Inbox[T]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		testwait.End(t, "Run", func() {
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	})
	t.Cleanup(stop)
	return stop
}

// Quiet waits until nothing is to be done, and returns the counters then. It fails where nothing is done any more, and something is left.
func Quiet[T any](t *testing.T, box Inbox[T]) inbox.Stats {
	t.Helper()
	least, end := int64(math.MaxInt64), time.Now().Add(patience)
	for ; ; time.Sleep(5 * time.Millisecond) {
		stats, err := box.Stats(t.Context())
		left := stats.Total(inbox.Pending) + stats.Total(inbox.Waiting) + stats.Total(inbox.Running)
		switch {
		case err == nil && left == 0:
			return stats
		case err == nil && left < least:
			least, end = left, time.Now().Add(patience)
		case time.Now().After(end):
			t.Fatalf("%d are left: %+v, %v", left, stats, err)
		}
	}
}

// Close closes box when a test ends, after what was started over it has stopped.
func Close[T any](t *testing.T, box Inbox[T]) {
	t.Helper()
	testwait.End(t, "Close", func() {
		if err := box.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}
