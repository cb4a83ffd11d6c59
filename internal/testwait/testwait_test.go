package testwait_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
)

// failing is a test that notes how it failed.
type failing struct {
	testing.TB
	said  string
	fatal bool
}

func (f *failing) Helper() {}

func (f *failing) Errorf(format string, args ...any) { f.said += fmt.Sprintf(format, args...) }

func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.fatal = true
	runtime.Goexit()
}

// run runs f as a test, and returns how it failed.
func run(f func(*failing)) *failing {
	is := &failing{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(is)
	}()
	<-ended
	return is
}

func TestWhatComesIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, closed := make(chan int, 1), make(chan int)
		from <- 7
		close(closed)
		var wait sync.WaitGroup
		wait.Go(func() {})
		looks := 0
		if is := run(func(is *failing) {
			if v, zero := testwait.For(is, "a number", from), testwait.For(is, "an end", closed); v != 7 || zero != 0 {
				t.Errorf("got %d and %d", v, zero)
			}
			testwait.All(is, "the group", &wait)
			testwait.Until(is, "the third look", func() bool { looks++; return looks == 3 })
			testwait.End(is, "nothing", func() {})
		}); is.said != "" || looks != 3 {
			t.Errorf("after %d looks: %s", looks, is.said)
		}
	})
}

func TestWhatDoesNotComeIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() { <-never })
		for what, f := range map[string]func(*failing){
			"the channel":   func(is *failing) { testwait.For(is, "the channel", never) },
			"the group":     func(is *failing) { testwait.All(is, "the group", &wait) },
			"the condition": func(is *failing) { testwait.Until(is, "the condition", func() bool { return false }) },
			"the end":       func(is *failing) { testwait.End(is, "the end", func() { <-never }) },
		} {
			is := run(f)
			if !strings.HasPrefix(is.said, what+" did not come ") || !strings.HasSuffix(is.said, " within "+testwait.Patience.String()) || is.fatal == (what == "the end") {
				t.Errorf("%s: fatal %v, %q", what, is.fatal, is.said)
			}
		}
		close(never)
	})
}
