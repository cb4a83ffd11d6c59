package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// victimEnv names the database and the first event's number for a process that will be killed.
const victimEnv = "GATEHOUSE_INBOX_VICTIM"

// victim accepts events from many producers, of which some come twice, and handles them, until it is killed. It prints the number of
// each event that was acknowledged.
func victim(args string) {
	var dsn string
	var first int
	if _, err := fmt.Sscan(args, &dsn, &first); err != nil {
		panic(err)
	}
	pool, err := pgxpool.New(context.Background(), dsn)
	if err != nil {
		panic(err)
	}
	l := &ledger{pool, dsn}
	box, err := postgres.Open(context.Background(), pool, inbox.Config{Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		panic(err)
	}
	if err := box.Handle("p", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		if d.Attempts == 1 && d.ID%7 == 0 {
			return fmt.Errorf("the first attempt of every seventh fails")
		}
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		panic(err)
	}
	go func() {
		if err := box.Run(context.Background()); err != nil {
			panic(err)
		}
	}()
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	next := first
	var producers sync.WaitGroup
	for range 32 {
		producers.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				for range 1 + n%50/49 {
					if _, err := box.Accept(context.Background(), inboxtest.Event("p", fmt.Sprint("t", n%3), fmt.Sprint(n))); err != nil {
						panic(err)
					}
				}
				mu.Lock()
				fmt.Fprintln(out, n)
				out.Flush()
				mu.Unlock()
			}
		})
	}
	producers.Wait()
}

// Each victim takes up what the ones before it had in hand, beside another process that handles all the while.
func TestKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	l := newLedger(t)
	acknowledged := map[string]bool{}
	for round := range 5 {
		for _, n := range killAfter(t, 800*time.Millisecond, fmt.Sprint(l.dsn, " ", 1_000_000*round)) {
			acknowledged[n] = true
		}
	}
	if len(acknowledged) < 100 {
		t.Fatalf("only %d events were acknowledged: nothing is shown", len(acknowledged))
	}
	box := l.open(t, inbox.Config{})
	defer box.Close()
	before, err := box.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resent := 0 // the providers of some that were acknowledged send again
	for n := range acknowledged {
		if resent++; resent > 200 {
			break
		}
		if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t0", n)); err != nil || fresh {
			t.Errorf("%s was acknowledged and is not known: %v", n, err)
		}
	}
	if err := box.Handle("p", "*", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	finish(t, box)
	l.expectOnce(t, acknowledged)
	l.honest(t)
	t.Logf("%d events acknowledged, %d were in hand when the last process died", len(acknowledged), before.Total(inbox.Running))
}

// expectOnce looks for one effect of each event.
func (l *ledger) expectOnce(t *testing.T, acknowledged map[string]bool) {
	t.Helper()
	credits := l.Credits(t)
	missing, doubled := 0, 0
	for n := range acknowledged {
		if credits[inboxtest.Event("p", "", n).Key.String()] == 0 {
			missing++
		}
	}
	for _, n := range credits {
		if n > 1 {
			doubled++
		}
	}
	if missing != 0 || doubled != 0 {
		t.Errorf("of %d acknowledged events %d have no effect, and %d have two", len(acknowledged), missing, doubled)
	}
}

// killAfter runs a victim for a while, kills it, and returns what it acknowledged.
func killAfter(t *testing.T, d time.Duration, args string) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+args)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if strings.Contains(problems.String(), "panic") {
		t.Fatalf("the victim failed by itself: %s", problems.String())
	}
	lines := strings.Split(out.String(), "\n")
	return lines[:len(lines)-1] // the last is empty, or cut
}
