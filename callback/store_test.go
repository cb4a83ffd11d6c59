package callback_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func record(id string, lifetime time.Duration, links ...string) callback.SessionRecord {
	now := time.Now()
	return callback.SessionRecord{ID: id, Links: links, Data: []byte(id), Created: now, Expires: now.Add(lifetime), Ends: now.Add(2 * lifetime)}
}

func has(t *testing.T, m callback.SessionStore, id string) bool {
	t.Helper()
	_, found, err := m.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func put(t *testing.T, m callback.SessionStore, records ...callback.SessionRecord) {
	t.Helper()
	for _, r := range records {
		if err := m.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemorySessionsForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 10)
		put(t, m, record("a", time.Minute, "x"), record("b", 2*time.Minute, "x"))
		time.Sleep(time.Minute)
		if has(t, m, "a") || !has(t, m, "b") {
			t.Error("a should have expired, b not")
		}
		if list, _ := m.ListLinked(t.Context(), "x"); len(list) != 1 || list[0].ID != "b" {
			t.Errorf("linked: %v", list)
		}
	})
}

func TestMemorySessionsExtends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, 10)
		put(t, m, record("a", time.Minute), record("b", time.Minute))
		now := time.Now()
		for _, by := range []time.Duration{90 * time.Second, 30 * time.Second} { // the second would move it back
			if err := m.Extend(t.Context(), "a", now.Add(by)); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Extend(t.Context(), "b", now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := m.Extend(t.Context(), "gone", now.Add(time.Hour)); err != nil || has(t, m, "gone") {
			t.Errorf("extending nothing: %v", err)
		}
		for _, tt := range []struct {
			at   time.Duration
			a, b bool
		}{{89 * time.Second, true, true}, {90 * time.Second, false, true}, {119 * time.Second, false, true}, {120 * time.Second, false, false}} {
			time.Sleep(time.Until(now.Add(tt.at)))
			if a, b := has(t, m, "a"), has(t, m, "b"); a != tt.a || b != tt.b {
				t.Errorf("after %v: a %v, b %v", tt.at, a, b)
			}
		}
	})
}

func TestMemorySessionsIsBounded(t *testing.T) {
	m := memory(t, 3)
	put(t, m, record("a", 3*time.Hour), record("b", time.Hour, "x"), record("c", 2*time.Hour), record("d", 4*time.Hour))
	if has(t, m, "b") || !has(t, m, "a") || !has(t, m, "c") || !has(t, m, "d") {
		t.Error("the one that expires first should have gone")
	}
	if n, err := m.DeleteLinked(t.Context(), "x"); n != 0 || err != nil {
		t.Errorf("its link is left: %d, %v", n, err)
	}
	put(t, m, record("a", time.Hour, "y")) // replaces
	if n, err := m.DeleteLinked(t.Context(), "y"); n != 1 || err != nil || has(t, m, "a") || !has(t, m, "c") {
		t.Errorf("replaced: %d, %v", n, err)
	}
}

func TestOneUserCannotCrowdOutOthers(t *testing.T) {
	m := memory(t, 150)
	put(t, m, record("other", time.Minute, "user:ben"))
	for i := range 300 {
		put(t, m, record(fmt.Sprint(i), time.Hour+time.Duration(i)*time.Second, "user:ana"))
	}
	if !has(t, m, "other") || has(t, m, "199") || !has(t, m, "200") || !has(t, m, "299") {
		t.Error("ana should have her latest 100 sessions, and ben his")
	}
}

func TestMemorySessionsSharesNoMemory(t *testing.T) {
	m := memory(t, 3)
	r := record("a", time.Hour, "x")
	put(t, m, r)
	r.Data[0], r.Links[0] = '!', "!"
	got, _, _ := m.Get(t.Context(), "a")
	if string(got.Data) != "a" || got.Links[0] != "x" {
		t.Errorf("the caller's slice is kept: %v", got)
	}
	got.Data[0] = '!'
	if again, _, _ := m.Get(t.Context(), "a"); string(again.Data) != "a" {
		t.Errorf("the store's slice is given away: %v", again)
	}
}

func TestMemorySessionsIsSafeForConcurrentUse(t *testing.T) {
	m := memory(t, 20)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				id := fmt.Sprint(g, i%30)
				_ = m.Put(t.Context(), record(id, time.Hour, fmt.Sprint(i%3)))
				_, _, _ = m.Get(t.Context(), id)
				_ = m.Extend(t.Context(), id, time.Now().Add(90*time.Minute))
				_, _ = m.ListLinked(t.Context(), "1")
				if i%10 == 0 {
					_, _ = m.DeleteLinked(t.Context(), "2")
					_ = m.Delete(t.Context(), id)
				}
			}
		})
	}
	wg.Wait()
}
