package inboxtest

import (
	"crypto/rand"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testdisk"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// fullDisk fills the disk: what it does not take is answered with 503; when there is room again, the inbox goes on by itself.
func fullDisk[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.OnDisk == nil {
		t.Skip("the engine does not say how a ledger is put on a disk")
	}
	dir := testdisk.Small(t, "12m")
	l := e.OnDisk(t, dir)
	box := open(t, l, quick())
	must(t, box.Handle("", "*", credit(l)))
	makeRoom := testdisk.Ballast(t, dir, 10<<20)
	big := func(id string) webhook.Event {
		e := Event("p", "t", id)
		e.Body = make([]byte, 100_000)
		_, _ = rand.Read(e.Body) // never fails, and cannot be made shorter
		return e
	}
	acknowledged := 0
	var refused error
	for refused == nil && acknowledged < 100 {
		if _, refused = box.Accept(t.Context(), big(strconv.Itoa(acknowledged))); refused == nil {
			acknowledged++
		}
	}
	if !errors.Is(refused, webhook.ErrUnavailable) || acknowledged == 0 {
		t.Fatalf("after %d events: %v", acknowledged, refused)
	}
	p, sent := NewProvider(t, box), 1
	for ; p.Send(t, "sent"+strconv.Itoa(sent), 100_000); sent++ {
		if sent == 100 {
			t.Fatal("what is sent to a full disk is stored")
		}
	}
	makeRoom()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		_, err := box.Accept(t.Context(), big("after"))
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("there is room again: %v", err)
		}
	}
	numbers := []string{"after"}
	for i := range acknowledged {
		if fresh, err := box.Accept(t.Context(), big(strconv.Itoa(i))); err != nil || fresh {
			t.Errorf("event %d was acknowledged: fresh %v, %v", i, fresh, err)
		}
		numbers = append(numbers, strconv.Itoa(i))
	}
	for i := range sent {
		p.SendUntil(t, "sent"+strconv.Itoa(i+1), 100_000)
	}
	must(t, box.Health(t.Context()))
	Start(t, box)
	await(t, box, inbox.Done, int64(len(numbers)+sent))
	Once(t, l, numbers)
	Honest(t, box)
}
