package postgres_test

import (
	"context"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testpostgres"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// underLoad has two inboxes store and handle while disturb does its worst, and the providers send again: what was acknowledged has its effect once.
func underLoad(t *testing.T, disturb func(l *ledger, load *inboxtest.Load)) {
	t.Helper()
	l := newLedger(t)
	config := inbox.Config{
		Backoff: func(int) time.Duration { return time.Millisecond }, MaxAttempts: 1000, Workers: 4, Logger: slog.New(slog.DiscardHandler),
		OrderBy: func(e webhook.Event) string { return map[bool]string{true: e.ID[len(e.ID)-1:]}[e.Type == "t0"] },
	}
	var boxes []*postgres.Inbox
	var runs sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { // also of a test that has failed
		cancel()
		testwait.End(t, "what runs", runs.Wait)
		for _, box := range boxes {
			inboxtest.Close(t, box)
		}
	}()
	for range 2 {
		box := l.open(t, config)
		boxes = append(boxes, box)
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
	}
	load := inboxtest.StartLoad(t, 8, boxes[0], boxes[1])
	defer load.Stop()
	disturb(l, load)
	acknowledged := load.Stop()
	inboxtest.Quiet(t, boxes[0])
	cancel()
	testwait.All(t, "the end of both Runs", &runs)
	inboxtest.Once(t, l, acknowledged)
	inboxtest.Honest(t, boxes[0])
	_, refused := load.Counts()
	t.Logf("%d events acknowledged, %d times refused", len(acknowledged), refused)
}

// some is how many events are acknowledged between two disturbances.
const some = 50

func TestAServerThatCrashesAndStandsStillLosesAndDoublesNothing(t *testing.T) {
	underLoad(t, func(l *ledger, load *inboxtest.Load) {
		for range 2 {
			load.GoesOn(some)
			if err := shared.Crash(); err != nil {
				t.Fatal(err)
			}
			load.IsRefused()
			if err := shared.Restart(); err != nil {
				t.Fatal(err)
			}
			load.GoesOn(some)
			standStill(t, shared, l.pool, time.Second)
		}
		load.GoesOn(some)
	})
}

func TestConnectionsThatAreKilledInTheMidstLoseAndDoubleNothing(t *testing.T) {
	underLoad(t, func(_ *ledger, load *inboxtest.Load) {
		admin := connect(t, shared.URL())
		for range 5 {
			load.GoesOn(some)
			_, before := load.Counts()
			testwait.Until(t, "a refusal by a connection that was killed", func() bool {
				if _, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND random() < 0.5
					AND datname = current_database() AND query NOT LIKE 'SELECT pid%'`); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
				_, now := load.Counts()
				return now > before
			})
		}
	})
}

// standStill stops all processes of the server for a while.
func standStill(t *testing.T, s *testpostgres.Server, pool *pgxpool.Pool, d time.Duration) {
	t.Helper()
	pids := pidsOf(t, pool)
	pids = append([]int{s.Postmaster()}, pids...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one may have ended
	}
	time.Sleep(d)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

func pidsOf(t *testing.T, pool *pgxpool.Pool) (pids []int) {
	t.Helper()
	testwait.Until(t, "the numbers of the server's processes", func() bool {
		rows, err := pool.Query(t.Context(), "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
		if err == nil {
			pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
		}
		return err == nil // the pool has connections of before the crash
	})
	return pids
}
