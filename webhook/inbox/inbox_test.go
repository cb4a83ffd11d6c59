package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

func TestConfigCompleteFillsInAndReportsEveryMistake(t *testing.T) {
	c, err := inbox.Config{}.Complete()
	if err != nil || c.Workers != 8 || c.MaxAttempts != 15 || c.HandlerTimeout != 30*time.Second || c.MaxQueueBytes != 64<<20 || c.Backoff == nil || c.Logger == nil {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = inbox.Config{
		Workers: -1, MaxAttempts: -1, MaxQueue: -1, MaxQueueBytes: -1, HandlerTimeout: -1, DrainTimeout: -1,
		KeepBodies: 2 * time.Hour, KeepKeys: time.Hour, Rates: []inbox.Rate{{Provider: "p", Type: "t"}},
	}.Complete()
	want := []string{
		"inbox: Workers = -1 must not be negative",
		"inbox: MaxAttempts = -1 must not be negative",
		"inbox: MaxQueue = -1 must not be negative",
		"inbox: MaxQueueBytes = -1 must not be negative",
		"inbox: HandlerTimeout = -1ns must not be negative",
		"inbox: DrainTimeout = -1ns must not be negative",
		"inbox: KeepKeys = 1h0m0s must be at least KeepBodies, 2h0m0s",
		"inbox: Rates = {p t 0 0} must have a provider, a positive limit and a burst of at least 1",
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestNextAttempt(t *testing.T) {
	boom := errors.New("boom")
	c := inbox.Config{MaxAttempts: 3, Backoff: func(attempt int) time.Duration { return time.Duration(attempt) * time.Minute }}
	for _, row := range []struct {
		name    string
		attempt int
		failure error
		wait    time.Duration
		dead    bool
	}{
		{"the first failure waits as the backoff says", 1, boom, time.Minute, false},
		{"so does the second", 2, boom, 2 * time.Minute, false},
		{"the last one is dead", 3, boom, 0, true},
		{"a permanent failure is dead at once", 1, fmt.Errorf("wrapped: %w", inbox.Permanent(boom)), 0, true},
		{"a wait that the handler knows", 1, fmt.Errorf("wrapped: %w", inbox.RetryAfter(time.Hour, boom)), time.Hour, false},
		{"a negative wait is none", 1, inbox.RetryAfter(-time.Hour, boom), 0, false},
		{"a wait does not add attempts", 3, inbox.RetryAfter(time.Hour, boom), 0, true},
	} {
		if wait, dead := c.NextAttempt(row.attempt, row.failure); wait != row.wait || dead != row.dead {
			t.Errorf("%s: %v, dead %v", row.name, wait, dead)
		}
	}
	if inbox.Permanent(nil) != nil || inbox.RetryAfter(time.Hour, nil) != nil {
		t.Error("no cause is no error")
	}
	if !errors.Is(inbox.Permanent(boom), boom) || !errors.Is(inbox.RetryAfter(1, boom), boom) {
		t.Error("the cause is lost")
	}
	c.Backoff = func(int) time.Duration { return -1 }
	if wait, _ := c.NextAttempt(1, boom); wait != 0 {
		t.Errorf("a negative backoff: %v", wait)
	}
}

func TestBackoffDoublesAndStaysBelowItsLongest(t *testing.T) {
	backoff := inbox.Backoff(time.Second, time.Minute)
	for attempt, longest := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 64: time.Minute, 1000: time.Minute, 0: time.Minute} {
		seen := map[time.Duration]bool{}
		for range 50 {
			wait := backoff(attempt)
			if wait < longest/2 || wait > longest {
				t.Errorf("attempt %d waits %v, want %v to %v", attempt, wait, longest/2, longest)
			}
			seen[wait] = true
		}
		if len(seen) < 2 {
			t.Errorf("attempt %d always waits the same", attempt)
		}
	}
}

func TestErrorsAskTheProviderToComeAgain(t *testing.T) {
	for _, err := range []error{inbox.ErrQueueFull, inbox.ErrClosed} {
		if !errors.Is(err, webhook.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	}
	var coded interface{ StatusCode() int }
	if !errors.As(inbox.ErrQueueFull, &coded) || coded.StatusCode() != http.StatusServiceUnavailable {
		t.Error("a full queue is not 503")
	}
}

// refusing is an Accepter whose disk is full.
type refusing struct{}

func (refusing) Accept(context.Context, webhook.Event) (bool, error) {
	return false, inbox.ErrQueueFull
}

func TestReceivePassesTheErrorOn(t *testing.T) {
	if err := inbox.Receive(refusing{})(t.Context(), webhook.Event{}); !errors.Is(err, inbox.ErrQueueFull) {
		t.Errorf("got %v", err)
	}
}

func TestStatsTotal(t *testing.T) {
	s := inbox.Stats{Types: []inbox.TypeStats{{ByStatus: map[inbox.Status]int64{inbox.Done: 2}}, {ByStatus: map[inbox.Status]int64{inbox.Done: 3, inbox.Dead: 1}}}}
	if s.Total(inbox.Done) != 5 || s.Total(inbox.Dead) != 1 || s.Total(inbox.Pending) != 0 {
		t.Error("totals are wrong")
	}
	if len(inbox.Statuses()) != 7 {
		t.Error("a status is missing from Statuses")
	}
}
