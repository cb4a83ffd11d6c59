package nats_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testdisk"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

// A server that could not write to a stream refuses everything for it until it is started again, also with room: events are answered 503
// meanwhile. Then the inbox goes on as it is.
func TestAServerWithoutRoomIsUnavailableUntilItIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := testdisk.Small(t, "32m")
	s, err := newServer(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	l := newLedger(t, s)
	box := l.open(t, quick())
	t.Cleanup(func() { inboxtest.Close(t, box) })
	if err := box.Handle("", "*", crediting(l)); err != nil {
		t.Fatal(err)
	}
	makeRoom := testdisk.Ballast(t, dir, 20<<20) // after the server has seen how much it may take
	provider := inboxtest.NewProvider(t, box)
	if !provider.Send(t, "before", 1) {
		t.Error("an event is not stored with room")
	}
	big := func(n int) webhook.Event {
		e := inboxtest.Event("p", "t", fmt.Sprint(n))
		e.Body = make([]byte, 100<<10)
		_, _ = rand.Read(e.Body) // never fails, and cannot be made shorter
		return e
	}
	var acknowledged []string
	var refused error
	for n := 0; refused == nil && n < 1000; n++ {
		if _, refused = box.Accept(t.Context(), big(n)); refused == nil {
			acknowledged = append(acknowledged, fmt.Sprint(n))
		}
	}
	if !errors.Is(refused, webhook.ErrUnavailable) || len(acknowledged) == 0 {
		t.Fatalf("after %d events: %v", len(acknowledged), refused)
	}
	if provider.Send(t, "new", 1) {
		t.Error("an event is stored without room")
	}
	if !provider.Send(t, "before", 1) {
		t.Error("an event that is stored is not known without room")
	}
	makeRoom()
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the server does not answer
	defer cancel()
	if err := box.Health(short); !errors.Is(err, webhook.ErrUnavailable) {
		t.Errorf("Health before the server is started again: %v", err)
	}
	if _, err := l.js.Publish(short, l.stream+".of.others", nil); err == nil {
		t.Error("the server takes a message of others")
	}

	s.kill()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, "a server that is well", func() bool { return box.Health(t.Context()) == nil })
	for n, id := range acknowledged {
		if fresh, err := box.Accept(t.Context(), big(n)); err != nil || fresh {
			t.Errorf("event %s was acknowledged: fresh %v, %v", id, fresh, err)
		}
	}
	for _, id := range []string{"new", "before"} {
		if !provider.Send(t, id, 1) {
			t.Errorf("event %q is not stored afterwards", id)
		}
	}
	inboxtest.Start(t, box)
	inboxtest.Quiet(t, box)
	inboxtest.Once[nats.NoTx](t, l, acknowledged)
	inboxtest.Honest[nats.NoTx](t, box)
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Done) < int64(len(acknowledged))+2 {
		t.Errorf("%+v, %v", stats, err)
	}
}
