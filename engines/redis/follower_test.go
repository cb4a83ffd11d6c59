package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/redis/rueidis"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// scriptedLog is a log as the server's is, in the time of a synctest bubble: what a machine adds to it is not in it.
type scriptedLog struct {
	mu       sync.Mutex
	messages []rueidis.XRangeEntry
	tips     int
	tip      string
	number   int64
}

func (l *scriptedLog) announce(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tips++
	l.number++
	before := l.tip
	l.tip = "tip" + strconv.Itoa(l.tips)
	l.messages = append(l.messages, rueidis.XRangeEntry{ID: strconv.FormatInt(l.number, 10) + "-0", FieldValues: map[string]string{
		"tip": l.tip, "after": before, "at": strconv.FormatInt(time.Now().Unix(), 10), "from": "another", "message": text,
	}})
	if len(l.messages) > 20 { // so that it is cut now and then
		l.messages = l.messages[10:]
	}
}

// lose is what a server does that is started anew.
func (l *scriptedLog) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages, l.tip, l.number = nil, "", 0
}

func (l *scriptedLog) after(number int64) (messages []rueidis.XRangeEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages {
		var n int64
		if _, _ = fmt.Sscanf(m.ID, "%d-0", &n); n > number {
			messages = append(messages, m)
		}
	}
	return messages
}

// A way is an instance's to the log.
type way struct {
	log    *scriptedLog
	silent atomic.Bool  // nothing arrives, and nobody says so
	cut    atomic.Bool  // nothing arrives, and it is known at once
	delay  atomic.Int64 // nanoseconds for one direction
}

var errCut = errors.New("cut")

// travel is one direction.
func (w *way) travel(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(w.delay.Load())):
	case <-ctx.Done():
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.cut.Load():
		return errCut
	case w.silent.Load():
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (w *way) ask(ctx context.Context, question func()) error {
	if err := w.travel(ctx); err != nil {
		return err
	}
	question()
	return w.travel(ctx)
}

func (w *way) funcs() redis.LogFuncs {
	return redis.LogFuncs{
		Head: func(ctx context.Context) (tip string, number int64, now time.Time, err error) {
			err = w.ask(ctx, func() {
				w.log.mu.Lock()
				defer w.log.mu.Unlock()
				tip, number, now = w.log.tip, w.log.number, time.Now()
			})
			return tip, number, now, err
		},
		After: func(ctx context.Context, number int64) (messages []rueidis.XRangeEntry, err error) {
			err = w.ask(ctx, func() { messages = w.log.after(number) })
			return messages, err
		},
		Wait: func(ctx context.Context, number int64, block time.Duration) (messages []rueidis.XRangeEntry, err error) {
			err = w.ask(ctx, func() {
				for until := time.Now().Add(block); time.Now().Before(until) && len(messages) == 0; time.Sleep(time.Millisecond) {
					messages = w.log.after(number)
				}
			})
			return messages, err
		},
	}
}

// No instance serves what was expired longer than Lag ago, whatever happens to its way to the server, in no time but that of its timers and of
// the way: here a machine adds nothing.
func TestNoInstanceServesWhatWasExpiredLongerThanLagAgo(t *testing.T) {
	t.Parallel()
	for _, lag := range []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(lag, " ", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { followInTime(t, lag, rand.New(rand.NewPCG(seed, 0))) })
			})
		}
	}
}

func followInTime(t *testing.T, lag time.Duration, random *rand.Rand) {
	t.Helper()
	const instances = 4
	until := time.Now().Add(60 * lag)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &scriptedLog{}
	var version atomic.Int64
	var mu sync.Mutex
	var expired []expiry
	var latest time.Duration
	var all sync.WaitGroup
	ways := make([]*way, instances)
	caches := make([]*revalidate.Cache, instances)
	for i := range ways {
		w := &way{log: log}
		w.delay.Store(int64(lag / 50))
		c, err := revalidate.New(revalidate.Config{Logger: slog.New(slog.DiscardHandler), OnInvalidate: func(ctx context.Context, inv revalidate.Invalidation) error {
			text, err := redis.MessageOf(inv)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, lag)
			defer cancel()
			return w.ask(ctx, func() { log.announce(text) })
		}})
		if err != nil {
			t.Fatal(err)
		}
		ways[i], caches[i] = w, c
		all.Go(func() { _ = redis.Follow(ctx, lag, w.funcs(), c) })
		step := lag / time.Duration(40+i)
		all.Go(func() { // a reader
			for ; time.Now().Before(until); time.Sleep(step) {
				began := time.Now()
				got, err := revalidate.Get(ctx, c, "key", revalidate.Options{Tags: []string{"tag"}}, func(context.Context) (int64, error) { return version.Load(), nil })
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, e := range expired {
					if got < e.version {
						latest = max(latest, began.Sub(e.returned))
						break // the first is the one that returned first
					}
				}
				mu.Unlock()
			}
		})
	}
	pauses := make([]time.Duration, 4096)
	for i := range pauses {
		pauses[i] = time.Duration(random.Int64N(int64(lag / 3)))
	}
	all.Go(func() { // one who changes what is cached, and has one of the instances say so
		for i := 0; time.Now().Before(until); i++ {
			time.Sleep(pauses[i%len(pauses)])
			v := version.Add(1)
			for at := i; time.Now().Before(until); at++ {
				if caches[at%instances].ExpireTag(ctx, "tag") == nil {
					mu.Lock()
					expired = append(expired, expiry{version: v, returned: time.Now()})
					mu.Unlock()
					break
				}
			}
		}
	})
	for time.Now().Before(until) {
		w := ways[random.IntN(instances-1)] // one is well throughout
		switch random.IntN(8) {
		case 0, 1:
			w.silent.Store(true)
		case 2:
			w.cut.Store(true)
		case 3:
			w.delay.Store(int64(lag / 6))
		case 4:
			log.lose()
		default:
			w.silent.Store(false)
			w.cut.Store(false)
			w.delay.Store(int64(lag / 50))
		}
		time.Sleep(time.Duration(random.Int64N(int64(2 * lag))))
	}
	stop()
	all.Wait()
	t.Logf("%d expiries; the latest read of what was expired began %v after the expiry had returned", len(expired), latest)
	if latest > lag {
		t.Errorf("that is more than %v", lag)
	}
	if latest < lag/8 {
		t.Error("nothing was served late at all: the test has cut nobody off")
	}
}
