// Package testwait waits in tests for what must come: every wait has an end, and its failure says what did not come.
package testwait

import (
	"sync"
	"testing"
	"time"
)

// Patience is how long a wait takes at the most: far longer than anything a test waits for needs on two slow cores that others keep busy.
const Patience = 2 * time.Minute

const pause = 2 * time.Millisecond // between two looks

// For returns what comes from a channel, or that it was closed. It fails the test where nothing does.
func For[V any](tb testing.TB, what string, from <-chan V) (v V) {
	tb.Helper()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case v = <-from:
	case <-timer.C:
		tb.Fatalf("%s did not come within %v", what, Patience)
	}
	return v
}

// All waits for all of wait. It fails the test where they do not come to their end.
func All(tb testing.TB, what string, wait *sync.WaitGroup) {
	tb.Helper()
	ended := make(chan struct{})
	go func() { // ends with what it waits for
		defer close(ended)
		wait.Wait()
	}()
	For(tb, what, ended)
}

// Until waits until is returns true. It fails the test where it does not.
func Until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for end := time.Now().Add(Patience); !is(); time.Sleep(pause) {
		if time.Now().After(end) {
			tb.Fatalf("%s did not come within %v", what, Patience)
		}
	}
}

// End calls f, which gives something back when a test ends, and reports where it does not return: by then the test cannot be ended any more.
func End(tb testing.TB, what string, f func()) {
	tb.Helper()
	ended := make(chan struct{})
	go func() { // ends with f
		defer close(ended)
		f()
	}()
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		tb.Errorf("%s did not come to its end within %v", what, Patience)
	}
}
