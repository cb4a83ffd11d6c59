package redis_test

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/limittest"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestRateStoreThatAsksAlwaysKeepsTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	limittest.TestRateStore(t, func(t *testing.T) security.RateStore {
		t.Helper()
		return s.engine(p.next).NewRateStore(redis.RateStoreConfig{AskAlways: true})
	})
}

func takeOne(t *testing.T, store *redis.RateStore, takes ...security.RateTake) security.RateResult {
	t.Helper()
	states := make([]security.RateResult, len(takes))
	if err := store.Take(t.Context(), takes, states); err != nil {
		t.Fatal(err)
	}
	return states[0]
}

func TestAFloodFromOneClientAsksTheServerOnce(t *testing.T) {
	s := start(t)
	for name, row := range map[string]struct {
		config redis.RateStoreConfig
		asked  int
	}{
		"remembered":   {redis.RateStoreConfig{}, 1},
		"asked always": {redis.RateStoreConfig{AskAlways: true}, 500},
	} {
		store := s.engine().NewRateStore(row.config)
		take := security.RateTake{Key: name, Interval: time.Hour, Burst: 3, Cost: 1}
		for range 3 {
			if !takeOne(t, store, take).Allowed {
				t.Errorf("%s: refused within the limit", name)
			}
		}
		before := s.calls("evalsha")
		for range 500 {
			if got := takeOne(t, store, take); got.Allowed || got.Remaining != 0 || got.Wait <= 0 || got.Wait > time.Hour || got.Next != got.Wait {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if n := s.calls("evalsha") - before; n != row.asked {
			t.Errorf("%s: 500 refusals asked the server %d times", name, n)
		}
	}
}

func TestARefusalIsOfItsQuestionAlone(t *testing.T) {
	s := start(t)
	store := s.engine().NewRateStore(redis.RateStoreConfig{})
	take := security.RateTake{Key: "a", Interval: time.Hour, Burst: 10, Cost: 6}
	if got := []bool{takeOne(t, store, take).Allowed, takeOne(t, store, take).Allowed}; !got[0] || got[1] {
		t.Fatal(got)
	}
	other, wider, cheaper, dearer := take, take, take, take
	other.Key, wider.Burst, cheaper.Cost, dearer.Cost = "b", 20, 4, 11
	if got := takeOne(t, store, dearer); got.Allowed || got.Remaining != 4 {
		t.Errorf("a higher cost: %+v", got)
	}
	if !takeOne(t, store, cheaper).Allowed {
		t.Error("a lower cost, for which there was enough, was refused")
	}
	if takeOne(t, store, take).Allowed {
		t.Error("the same question was allowed")
	}
	if !takeOne(t, store, wider).Allowed {
		t.Error("a wider limit was refused")
	}
	if !takeOne(t, store, other).Allowed {
		t.Error("another client was refused")
	}
	before := s.calls("evalsha")
	for range 10 {
		if got := takeOne(t, store, other, take); got.Allowed && got.Remaining < 0 {
			t.Errorf("%+v", got)
		}
		states := make([]security.RateResult, 2)
		if err := store.Take(t.Context(), []security.RateTake{other, take}, states); err != nil || states[1].Allowed {
			t.Errorf("two policies, of which one refuses: %+v, %v", states, err)
		}
	}
	if n := s.calls("evalsha") - before; n != 1 {
		t.Errorf("20 refusals of two policies asked the server %d times", n)
	}
}

func TestAClientIsAllowedAgainAtItsTime(t *testing.T) {
	store := start(t).engine().NewRateStore(redis.RateStoreConfig{})
	take := security.RateTake{Key: "a", Interval: 200 * time.Millisecond, Burst: 1, Cost: 1}
	if !takeOne(t, store, take).Allowed {
		t.Fatal("refused at first")
	}
	for range 5 {
		got := takeOne(t, store, take)
		for tries := 0; !got.Allowed; tries++ {
			if tries > 1000 {
				t.Fatalf("refused for ever: %+v", got)
			}
			time.Sleep(got.Wait + time.Millisecond)
			got = takeOne(t, store, take)
		}
	}
}

// A refusal that is remembered tells nothing of the server's health: while it is in doubt, it is asked.
func TestARefusalIsNoSignOfHealth(t *testing.T) {
	s := start(t)
	store := s.engine(func(c *redis.Config) { c.Timeout = 200 * time.Millisecond }).NewRateStore(redis.RateStoreConfig{})
	take := security.RateTake{Key: "a", Interval: time.Hour, Burst: 1, Cost: 1}
	eventually(t, "a refusal", func() bool {
		states := make([]security.RateResult, 1)
		err := store.Take(t.Context(), []security.RateTake{take}, states)
		return err == nil && !states[0].Allowed
	})
	s.signal(syscall.SIGSTOP)
	defer s.signal(syscall.SIGCONT)
	fresh := take
	fresh.Key = "b"
	for range 5 {
		for _, one := range []security.RateTake{fresh, take} {
			if err := store.Take(t.Context(), []security.RateTake{one}, make([]security.RateResult, 1)); !errors.Is(err, redis.ErrOut) {
				t.Errorf("%s: %v", one.Key, err)
			}
		}
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	const clients = 20_000
	s := start(t)
	store := s.engine().NewRateStore(redis.RateStoreConfig{})
	flood := func() {
		for i := range clients {
			takeOne(t, store, security.RateTake{Key: strconv.Itoa(i), Interval: time.Hour, Burst: 1, Cost: 1})
		}
	}
	flood() // allowed
	flood() // refused
	before := s.calls("evalsha")
	flood()
	if n := s.calls("evalsha") - before; n < clients/2-1000 || n > clients {
		t.Errorf("%d of %d were asked again: want all but the 10,000 that are remembered", n, clients)
	}
}

func TestARefusalThatIsRememberedAllocatesNothing(t *testing.T) {
	store := start(t).engine().NewRateStore(redis.RateStoreConfig{})
	take := []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 1, Cost: 1}}
	states := make([]security.RateResult, 1)
	for range 2 {
		takeOne(t, store, take...)
	}
	if n := testing.AllocsPerRun(100, func() { _ = store.Take(context.Background(), take, states) }); n != 0 || states[0].Allowed {
		t.Errorf("%v allocations, %+v", n, states[0])
	}
}
