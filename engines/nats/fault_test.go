package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	testwait.Until(t, what, is)
}

func TestAnEventTooLargeForAMessageIsRefusedForGood(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	e := inboxtest.Event("p", "t", "1")
	e.Body = make([]byte, 1<<20)
	_, err := box.Accept(t.Context(), e)
	var coded interface{ StatusCode() int }
	if !errors.Is(err, nats.ErrTooLarge) || !errors.As(err, &coded) || coded.StatusCode() != http.StatusRequestEntityTooLarge {
		t.Errorf("got %v", err)
	}
}

func TestAFullStreamRefusesAndRecovers(t *testing.T) {
	s := own(t, false)
	l := newLedger(t, s)
	c := sound(l.stream)
	c.MaxBytes = 128 << 10
	if _, err := l.js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	box := l.open(t, quick())
	defer box.Close()
	stored := 0
	var err error
	for err == nil {
		e := inboxtest.Event("p", "t", fmt.Sprint(stored))
		e.Body = make([]byte, 4<<10)
		if _, err = box.Accept(t.Context(), e); err == nil {
			stored++
		}
	}
	if !errors.Is(err, webhook.ErrUnavailable) || stored == 0 || box.Health(t.Context()) == nil {
		t.Errorf("after %d events: %v, and it is well", stored, err)
	}
	c.MaxBytes = 1 << 20
	if _, err := l.js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(stored))); !fresh || err != nil {
		t.Errorf("with room again: fresh %v, %v", fresh, err)
	}
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != int64(stored)+1 {
		t.Errorf("%+v, %v, want %d pending", stats, err, stored+1)
	}
}

func TestAFullQueueRefusesAndACancelledCallerLeavesNothingHalf(t *testing.T) {
	s := own(t, false)
	l := newLedger(t, s)
	c := quick()
	c.MaxQueue = 2
	box := l.open(t, c)
	defer box.Close()
	resume := s.stopped(t)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	defer testwait.End(t, "what waits", waiting.Wait)
	defer cancel()
	for i := range 2 {
		waiting.Go(func() {
			if fresh, err := box.Accept(ctx, inboxtest.Event("p", "t", fmt.Sprint(i))); fresh || !errors.Is(err, webhook.ErrUnavailable) {
				t.Errorf("without a server: fresh %v, %v", fresh, err)
			}
		})
	}
	eventually(t, "two that wait", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Queued == 2
	})
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "3")); !errors.Is(err, inbox.ErrQueueFull) {
		t.Errorf("with a full queue: %v", err)
	}
	if err := box.Health(t.Context()); !errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("Health with a full queue: %v", err)
	}
	cancel()
	testwait.All(t, "the end of what waits", &waiting)
	resume()
	eventually(t, "health", func() bool { return box.Health(t.Context()) == nil })
	for i := range 2 { // stored or not: sent again, each is there once
		eventually(t, "a repeat", func() bool {
			_, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(i)))
			return err == nil
		})
	}
	page, err := box.List(t.Context(), inbox.Filter{EventID: "0"})
	if err != nil || len(page.Deliveries) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

// What one process does, the index of another shows: also what is forgotten, so that the key is free again for both.
func TestAnotherProcessSeesEverything(t *testing.T) {
	l := newLedger(t, running(t))
	other := l.open(t, quick())
	defer other.Close()
	c := quick()
	c.KeepBodies, c.KeepKeys = time.Millisecond, time.Millisecond
	box := l.open(t, c)
	defer box.Close()
	if err := box.Handle("p", "*", crediting(l)); err != nil {
		t.Fatal(err)
	}
	seen := func(status inbox.Status, n int64) func() bool {
		return func() bool {
			stats, err := other.Stats(t.Context())
			return err == nil && stats.Total(status) == n
		}
	}
	for i := range 250 { // more than a step
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "250 pending", seen(inbox.Pending, 250))
	stop := inboxtest.Start(t, box)
	eventually(t, "250 done", seen(inbox.Done, 250))
	stop()
	time.Sleep(5 * time.Millisecond)
	inboxtest.Start(t, box) // which removes at its begin
	eventually(t, "all forgotten", seen(inbox.Done, 0))
	stream, err := l.js.Stream(t.Context(), l.stream)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "messages removed", func() bool {
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(l.stream+".delivery.>"))
		return err == nil && len(info.State.Subjects) == 0
	})
	if fresh, err := other.Accept(t.Context(), inboxtest.Event("p", "t", "1")); !fresh || err != nil {
		t.Errorf("an event that was forgotten: fresh %v, %v", fresh, err)
	}
	eventually(t, "one more done", seen(inbox.Done, 1))
}

// A decision that comes between a worker and its claim, and one that nobody can make.
func TestDecisionsAgainstWorkers(t *testing.T) {
	l := newLedger(t, running(t))
	box, other := l.open(t, quick()), l.open(t, quick())
	defer box.Close()
	defer other.Close()
	for i := range 200 {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := box.Handle("p", "*", crediting(l)); err != nil {
		t.Fatal(err)
	}
	inboxtest.Start(t, box)
	n, err := other.Discard(t.Context(), inbox.Selection{Filter: inbox.Filter{Provider: "p"}}, inbox.Reason{By: "ann", Why: "too many"})
	if err != nil {
		t.Fatal(err)
	}
	stats := inboxtest.Quiet(t, box)
	if done, given := stats.Total(inbox.Done), stats.Total(inbox.Discarded); done+given != 200 || given != n {
		t.Errorf("%d done, %d discarded of which it says %d", done, given, n)
	}
	if got := len(l.Credits(t)); int64(got) < stats.Total(inbox.Done) {
		t.Errorf("%d effects of %d done", got, stats.Total(inbox.Done))
	}
}

// Messages that this code did not write do not stop it, and a stream that comes back empty is read anew.
func TestAStreamThatOthersChange(t *testing.T) {
	s := own(t, false)
	l := newLedger(t, s)
	box := l.open(t, quick())
	defer box.Close()
	for _, subject := range []string{".delivery", ".delivery.zz.event", ".delivery.00.state", ".minute.x.y", ".gone.1", ".lease", ".what", ".paused.1"} {
		if _, err := l.js.Publish(t.Context(), l.stream+subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	again := l.open(t, quick())
	defer again.Close()
	if page, err := again.List(t.Context(), inbox.Filter{}); err != nil || len(page.Deliveries) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if err := l.js.DeleteStream(t.Context(), l.stream); err != nil {
		t.Fatal(err)
	}
	if _, err := l.js.CreateStream(t.Context(), sound(l.stream)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an empty ledger", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Total(inbox.Pending) == 0
	})
	if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); !fresh || err != nil {
		t.Errorf("in the new stream: fresh %v, %v", fresh, err)
	}
}

// A stream whose last message was removed is read to its end all the same.
func TestAStreamWhoseEndIsGone(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(box.Health(t.Context()), box.Close()); err != nil {
		t.Fatal(err)
	}
	stream, err := l.js.Stream(t.Context(), l.stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{".health", ".minute.>", ".delivery.>"} { // the last of them leaves none
		if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(l.stream+end)); err != nil {
			t.Fatal(err)
		}
		again := l.open(t, quick())
		if _, err := again.Stats(t.Context()); err != nil {
			t.Error(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Somebody who removes or overwrites an event's message makes a dead letter of it, and the others go on.
func TestAnEventWhoseMessageIsGoneIsDead(t *testing.T) {
	l := newLedger(t, running(t))
	box := l.open(t, quick())
	defer box.Close()
	if err := box.Handle("p", "t", crediting(l)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"gone", "changed", "well"} {
		if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id)); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := l.js.Stream(t.Context(), l.stream)
	if err != nil {
		t.Fatal(err)
	}
	subject := func(id string) string {
		return l.stream + ".delivery." + inboxtest.Event("p", "t", id).Key.String() + ".event"
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(subject("gone"))); err != nil {
		t.Fatal(err)
	}
	if _, err := l.js.Publish(t.Context(), subject("changed"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Start(t, box)
	stats := inboxtest.Quiet(t, box)
	if stats.Total(inbox.Dead) != 2 || stats.Total(inbox.Done) != 1 {
		t.Errorf("%+v", stats)
	}
}

// A long history and long errors stay within a message.
func TestAHistoryStaysWithinItsBound(t *testing.T) {
	l := newLedger(t, running(t))
	c := quick()
	c.MaxAttempts = 100
	box := l.open(t, c)
	defer box.Close()
	if err := box.Handle("p", "t", func(context.Context, nats.NoTx, *inbox.Delivery) error {
		return errors.New(strings.Repeat("é", 100<<10))
	}); err != nil {
		t.Fatal(err)
	}
	inboxtest.Start(t, box)
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	inboxtest.Quiet(t, box)
	page, err := box.List(t.Context(), inbox.Filter{Status: inbox.Dead})
	if err != nil || len(page.Deliveries) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	d, history, err := box.Get(t.Context(), page.Deliveries[0].ID)
	if err != nil || d.Attempts != 100 || len(d.Error) > 5<<10 || len(history) < 30 || len(history) >= 100 || history[len(history)-1].Number != 100 {
		t.Errorf("%d attempts, an error of %d bytes, %d in the history, %v", d.Attempts, len(d.Error), len(history), err)
	}
}

// TestMemory prints what the index costs in memory.
func TestMemory(t *testing.T) {
	const n = 20_000
	l := newLedger(t, running(t))
	box := l.open(t, inbox.Config{MaxQueue: n})
	var producers sync.WaitGroup
	for p := range 64 {
		producers.Go(func() {
			for i := p; i < n; i += 64 {
				e := inboxtest.Event("p", fmt.Sprint("type.", i%5), fmt.Sprint("evt_", i))
				e.Body = bytes.Repeat([]byte("x"), 1<<10)
				if _, err := box.Accept(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	testwait.All(t, "the end of the producers", &producers)
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	box = nil
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, begin := heap(), time.Now()
	box = l.open(t, inbox.Config{})
	took := time.Since(begin)
	defer box.Close()
	t.Logf("%d deliveries: %d bytes each, read in %v each", n, (heap()-before)/n, took/n)
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != n {
		t.Errorf("%+v, %v", stats, err)
	}
}
