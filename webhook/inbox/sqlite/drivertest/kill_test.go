package drivertest_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// victimEnv names the driver, the database and the first event's number for a process that will be killed.
const victimEnv = "GATEHOUSE_INBOX_VICTIM"

func TestMain(m *testing.M) {
	if args := os.Getenv(victimEnv); args != "" {
		victim(args)
		return
	}
	os.Exit(m.Run())
}

// victim accepts events from many producers, of which some come twice, and handles them, until it is killed. It prints the number of
// each event that was acknowledged.
func victim(args string) {
	var driver, path string
	var first int
	if _, err := fmt.Sscan(args, &driver, &path, &first); err != nil {
		panic(err)
	}
	db, err := sql.Open(driver, drivers[driver](path))
	if err != nil {
		panic(err)
	}
	l := &ledger{db}
	box, err := sqlite.Open(db, inbox.Config{Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		panic(err)
	}
	if err := box.Handle("p", "*", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
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

func TestKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	for driver, dsn := range drivers {
		t.Run(driver, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger.db")
			l := newLedger(t, driver, dsn(path))
			acknowledged := map[string]bool{}
			for round := range 5 {
				for _, n := range killAfter(t, 400*time.Millisecond, fmt.Sprint(driver, " ", path, " ", 1_000_000*round)) {
					acknowledged[n] = true
				}
			}
			if len(acknowledged) < 100 {
				t.Fatalf("only %d events were acknowledged: nothing is shown", len(acknowledged))
			}
			// The providers of what was not acknowledged, and of some that was, send again.
			box, err := sqlite.Open(l.db, inbox.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			resent := 0
			for n := range acknowledged {
				if resent++; resent > 200 {
					break
				}
				if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t0", n)); err != nil || fresh {
					t.Errorf("%s was acknowledged and is not known: %v", n, err)
				}
			}
			if err := box.Handle("p", "*", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
				return l.Credit(ctx, tx, d.IdempotencyKey())
			}); err != nil {
				t.Fatal(err)
			}
			finish(t, box)
			credits := l.Credits(t)
			missing, doubled := 0, 0
			for n := range acknowledged {
				switch credits[inboxtest.Event("p", "", n).Key.String()] {
				case 0:
					missing++
				case 1:
				default:
					doubled++
				}
			}
			if missing != 0 || doubled != 0 {
				t.Errorf("of %d acknowledged events %d have no effect and %d have two", len(acknowledged), missing, doubled)
			}
			t.Logf("%d events acknowledged, %d handled", len(acknowledged), len(credits))
		})
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

// finish runs box until nothing is left to do.
func finish(t *testing.T, box *sqlite.Inbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stats, err := box.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Total(inbox.Pending)+stats.Total(inbox.Running) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("something is left: %+v", stats)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
