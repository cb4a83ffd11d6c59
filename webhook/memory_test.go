package webhook_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func newMemory(t *testing.T, c webhook.MemoryConfig) *webhook.Memory {
	t.Helper()
	m, err := webhook.NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func claim(t *testing.T, m *webhook.Memory, key string) webhook.Claim {
	t.Helper()
	c, err := m.Claim(t.Context(), webhook.NewKey(key), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func confirm(t *testing.T, m *webhook.Memory, key string, keep time.Duration) {
	t.Helper()
	c := claim(t, m, key)
	if c.State != webhook.ClaimTaken {
		t.Fatalf("claim of %s = %v, want Taken", key, c.State)
	}
	if err := m.Confirm(t.Context(), webhook.NewKey(key), c, keep); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryRefusesNegativeBounds(t *testing.T) {
	_, err := webhook.NewMemory(webhook.MemoryConfig{MaxDone: -1, MaxClaims: -2})
	if err == nil || !strings.Contains(err.Error(), "MaxDone") || !strings.Contains(err.Error(), "MaxClaims") {
		t.Errorf("NewMemory = %v", err)
	}
}

func TestFloodingEvictsNoClaimInHand(t *testing.T) {
	m := newMemory(t, webhook.MemoryConfig{MaxDone: 10, MaxClaims: 3})
	held := claim(t, m, "held")
	for i := range 1000 {
		confirm(t, m, fmt.Sprint("flood ", i), time.Hour)
	}
	if c := claim(t, m, "held"); c.State != webhook.ClaimBusy {
		t.Fatalf("after a flood the claim is %v, want Busy", c.State)
	}
	if got := m.Evicted(); got != 990 {
		t.Errorf("Evicted = %d, want 990", got)
	}
	for i := range 1000 {
		want := webhook.ClaimTaken
		if i >= 990 {
			want = webhook.ClaimDone
		}
		c := claim(t, m, fmt.Sprint("flood ", i))
		if c.State != want {
			t.Fatalf("event %d is %v, want the newest ten remembered", i, c.State)
		}
		if err := m.Release(t.Context(), webhook.NewKey(fmt.Sprint("flood ", i)), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Confirm(t.Context(), webhook.NewKey("held"), held, time.Hour); err != nil {
		t.Fatal(err)
	}
	if c := claim(t, m, "held"); c.State != webhook.ClaimDone {
		t.Errorf("a claim held through a flood was not confirmed: %v", c.State)
	}
}

func TestMemoryIsFullOfClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, webhook.MemoryConfig{MaxClaims: 2})
		claim(t, m, "a")
		claim(t, m, "b")
		if _, err := m.Claim(t.Context(), webhook.NewKey("c"), time.Minute); !errors.Is(err, webhook.ErrUnavailable) {
			t.Errorf("Claim = %v, want ErrUnavailable", err)
		}
		time.Sleep(time.Minute) // the holders died
		if c := claim(t, m, "c"); c.State != webhook.ClaimTaken {
			t.Errorf("claim = %v, want the lapsed claims' room", c.State)
		}
	})
}

func TestMemoryLetsNoLostClaimEndANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, webhook.MemoryConfig{})
		lost := claim(t, m, "a")
		time.Sleep(time.Minute)
		held := claim(t, m, "a")
		key := webhook.NewKey("a")
		if err := errors.Join(m.Confirm(t.Context(), key, lost, time.Hour), m.Release(t.Context(), key, lost)); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, m, "a"); c.State != webhook.ClaimBusy {
			t.Errorf("the dead holder ended the new claim: %v", c.State)
		}
		if err := m.Confirm(t.Context(), key, held, time.Hour); err != nil {
			t.Fatal(err)
		}
		if c := claim(t, m, "a"); c.State != webhook.ClaimDone {
			t.Errorf("claim = %v, want Done", c.State)
		}
	})
}

func TestMemoryForgetsAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, webhook.MemoryConfig{MaxDone: 4})
		confirm(t, m, "long", time.Hour)
		confirm(t, m, "short", time.Minute)
		time.Sleep(time.Minute)
		confirm(t, m, "short", time.Hour) // forgotten, so it is handled again, and remembered anew
		for i := range 3 {                // pushes out the first two, of which the second is the old note of "short"
			confirm(t, m, fmt.Sprint(i), time.Hour)
		}
		if c := claim(t, m, "short"); c.State != webhook.ClaimDone {
			t.Errorf("the new note of a repeated key went with the old: %v", c.State)
		}
		if got := m.Evicted(); got != 1 {
			t.Errorf("Evicted = %d, want 1: a note whose time is over is no loss", got)
		}
		time.Sleep(time.Hour)
		confirm(t, m, "later", time.Hour)
		if c := claim(t, m, "short"); c.State != webhook.ClaimTaken {
			t.Errorf("after its time: %v, want Taken", c.State)
		}
	})
}
