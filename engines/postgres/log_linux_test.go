package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testdisk"
	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
)

// A server panics when its write-ahead log has no room, and what it does then by itself depends on where the log ends: it comes back, to panic again, or
// ends. Either way events are answered 503, and are taken when the server runs with room again.
func TestALogWithoutRoom(t *testing.T) {
	dir := testdisk.Small(t, "24m")
	s, err := testpostgres.StartWithLog(dir, "checkpoint_timeout=1h") // which would make room by itself
	testpostgres.Require(t, err)
	t.Cleanup(s.Stop)
	l := newLedgerOn(t, s)
	box := l.open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { inboxtest.Close(t, box) })
	if err := box.Handle("", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	makeRoom := testdisk.Ballast(t, dir, 18<<20)
	event := func(n int) webhook.Event {
		e := inboxtest.Event("p", "t", fmt.Sprint(n))
		e.Body = make([]byte, 100<<10)
		_, _ = rand.Read(e.Body) // never fails, and cannot be made shorter
		return e
	}
	var acknowledged []string
	var refused error
	for n := 0; refused == nil && n < 1000; n++ {
		if _, refused = box.Accept(t.Context(), event(n)); refused == nil {
			acknowledged = append(acknowledged, fmt.Sprint(n))
		}
	}
	if !errors.Is(refused, webhook.ErrUnavailable) || len(acknowledged) == 0 {
		t.Fatalf("after %d events: %v", len(acknowledged), refused)
	}
	provider := inboxtest.NewProvider(t, box)
	var sent []string // a server that has come back stores some
	testwait.Until(t, "an event that is answered 503", func() bool {
		sent = append(sent, fmt.Sprint("sent", len(sent)))
		return !provider.Send(t, sent[len(sent)-1], 100<<10)
	})

	makeRoom()
	testwait.Until(t, "a server that is well", func() bool {
		select {
		case <-s.Ended():
			t.Log("the server had ended")
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return box.Health(ctx) == nil
	})
	for n, id := range acknowledged {
		if fresh, err := box.Accept(t.Context(), event(n)); err != nil || fresh {
			t.Errorf("event %s was acknowledged: fresh %v, %v", id, fresh, err)
		}
	}
	if _, err := box.Accept(t.Context(), event(len(acknowledged))); err != nil {
		t.Errorf("the event that was refused: %v", err)
	}
	for _, id := range sent {
		if !provider.Send(t, id, 1) {
			t.Errorf("event %q is not stored afterwards", id)
		}
	}
	finish(t, box)
	inboxtest.Once(t, l, append(acknowledged, fmt.Sprint(len(acknowledged))))
	inboxtest.Honest(t, box)
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Done) != int64(len(acknowledged)+1+len(sent)) {
		t.Errorf("%+v, %v", stats, err)
	}
}
