package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// underLoad has two inboxes store and handle while disturb does its worst, and the providers send again: what was acknowledged has its effect once.
func underLoad(t *testing.T, disturb func(l *ledger)) {
	t.Helper()
	l := newLedger(t)
	config := inbox.Config{
		Backoff: func(int) time.Duration { return time.Millisecond }, MaxAttempts: 1000, Workers: 4, Logger: slog.New(slog.DiscardHandler),
		OrderBy: func(e webhook.Event) string { return map[bool]string{true: e.ID[len(e.ID)-1:]}[e.Type == "t0"] },
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var boxes []*postgres.Inbox
	var runs sync.WaitGroup
	for range 2 {
		box := l.open(t, config)
		defer box.Close()
		if err := box.Handle("p", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
			return l.Credit(ctx, tx, d.IdempotencyKey())
		}); err != nil {
			t.Fatal(err)
		}
		runs.Go(func() {
			if err := box.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		boxes = append(boxes, box)
	}
	var mu sync.Mutex
	acknowledged, refused := map[string]bool{}, 0
	load, stop := context.WithCancel(ctx)
	var producers sync.WaitGroup
	for p := range 8 {
		producers.Go(func() {
			for i := 0; load.Err() == nil; i++ {
				id := fmt.Sprint(p, "-", i)
				for load.Err() == nil { // as a provider does, until it is taken
					short, end := context.WithTimeout(load, 2*time.Second)
					_, err := boxes[i%2].Accept(short, inboxtest.Event("p", fmt.Sprint("t", i%3), id))
					end()
					mu.Lock()
					if err == nil {
						acknowledged[id] = true
						mu.Unlock()
						break
					}
					refused++
					mu.Unlock()
					if !errors.Is(err, webhook.ErrUnavailable) {
						t.Errorf("Accept: %v", err)
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	disturb(l)
	stop()
	producers.Wait()
	quiet(t, boxes[0])
	cancel()
	runs.Wait()
	if refused == 0 || len(acknowledged) < 100 {
		t.Errorf("%d events refused, %d acknowledged: nothing is shown", refused, len(acknowledged))
	}
	inboxtest.Once(t, l, slices.Collect(maps.Keys(acknowledged)))
	inboxtest.Honest(t, boxes[0])
	t.Logf("%d events acknowledged, %d times refused", len(acknowledged), refused)
}

func TestAServerThatCrashesAndStandsStillLosesAndDoublesNothing(t *testing.T) {
	underLoad(t, func(l *ledger) {
		for range 2 {
			time.Sleep(500 * time.Millisecond)
			if err := shared.Crash(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			if err := shared.Restart(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			standStill(t, shared, l.pool, time.Second)
		}
		time.Sleep(500 * time.Millisecond)
	})
}

func TestConnectionsThatAreKilledInTheMidstLoseAndDoubleNothing(t *testing.T) {
	underLoad(t, func(l *ledger) {
		admin := connect(t, shared.URL())
		for range 40 {
			time.Sleep(50 * time.Millisecond)
			if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND random() < 0.5
				AND datname = current_database() AND query NOT LIKE 'SELECT pid%'`); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// standStill stops all processes of the server for a while.
func standStill(t *testing.T, s *testpostgres.Server, pool *pgxpool.Pool, d time.Duration) {
	t.Helper()
	pids := pidsOf(t, pool)
	postmaster, err := s.Postmaster()
	if err != nil {
		t.Fatal(err)
	}
	pids = append([]int{postmaster}, pids...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one may have ended
	}
	time.Sleep(d)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

func pidsOf(t *testing.T, pool *pgxpool.Pool) []int {
	t.Helper()
	for range 100 {
		rows, err := pool.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		if err == nil {
			pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
			if err == nil {
				return pids
			}
		}
		time.Sleep(20 * time.Millisecond) // the pool has connections of before the crash
	}
	t.Fatal("the server's processes are not known")
	return nil
}
