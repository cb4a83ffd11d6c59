package redis_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestMarksAreAMarkStore(t *testing.T) {
	server := start(t)
	var stores atomic.Int32
	callbacktest.TestMarkStore(t, func(*testing.T) callback.MarkStore {
		prefix := "suite" + strconv.Itoa(int(stores.Add(1))) + ":"
		return server.engine(func(c *redis.Config) { c.Prefix = prefix }).NewMarks()
	})
}

func TestMarksCannotTellWithoutTheServer(t *testing.T) {
	server := start(t)
	marks := server.engine().NewMarks()
	server.kill()
	if spent, err := marks.Spent(context.Background(), "a"); spent || !errors.Is(err, redis.ErrOut) {
		t.Error(spent, err)
	}
	if err := marks.Release(context.Background(), "a"); !errors.Is(err, redis.ErrOut) {
		t.Error(err)
	}
}

func TestAReleasedMarkIsForAllToSpend(t *testing.T) {
	server := start(t)
	one, two := server.engine().NewMarks(), server.engine().NewMarks()
	if first, err := one.Spend(t.Context(), "a", time.Hour); !first || err != nil {
		t.Fatal(first, err)
	}
	if spent, err := two.Spent(t.Context(), "a"); !spent || err != nil {
		t.Error(spent, err)
	}
	if err := one.Release(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if first, err := two.Spend(t.Context(), "a", time.Hour); !first || err != nil {
		t.Error(first, err)
	}
}
