package nats_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"

	"github.com/gatehouse-go/gatehouse/engines/nats"
)

func quick() inbox.Config {
	return inbox.Config{Backoff: func(int) time.Duration { return time.Millisecond }, Logger: slog.New(slog.DiscardHandler)}
}

// crediting fails the first attempt of every seventh delivery, after its effect.
func crediting(l *ledger) inbox.Handler[nats.NoTx] {
	return func(ctx context.Context, tx nats.NoTx, d *inbox.Delivery) error {
		if err := l.Credit(ctx, tx, d.IdempotencyKey()); err != nil {
			return err
		}
		if d.Attempts == 1 && d.ID%7 == 0 {
			return errors.New("the first attempt of every seventh fails")
		}
		return nil
	}
}

// victim accepts events from many producers, of which some come twice, and handles them, until it is killed. It prints the number of each event that
// was acknowledged.
func victim(args string) {
	var url, stream, path string
	var first int64
	if _, err := fmt.Sscan(args, &url, &stream, &path, &first); err != nil {
		panic(err)
	}
	js, err := dial(url)
	if err != nil {
		panic(err)
	}
	l := &ledger{js: js, stream: stream}
	if l.db, err = openEffects(path); err != nil {
		panic(err)
	}
	box, err := nats.Open(context.Background(), js, l.config(quick()))
	if err != nil {
		panic(err)
	}
	if err := box.Handle("p", "*", crediting(l)); err != nil {
		panic(err)
	}
	go func() {
		if err := box.Run(context.Background()); err != nil {
			panic(err)
		}
	}()
	var next atomic.Int64
	next.Store(first)
	var producers sync.WaitGroup
	for range 16 {
		producers.Go(func() {
			for {
				n := next.Add(1)
				for range 1 + n%50/49 {
					if _, err := box.Accept(context.Background(), inboxtest.Event("p", fmt.Sprint("t", n%3), fmt.Sprint(n))); err != nil {
						panic(err)
					}
				}
				fmt.Fprintf(os.Stdout, "%d\n", n)
			}
		})
	}
	producers.Wait()
}

// enough is after how many acknowledgements something is killed.
const enough = 200

// killVictim runs a victim until it has acknowledged enough and adds what it acknowledged.
func killVictim(t *testing.T, args string, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+args)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	n := 0
	for lines := bufio.NewReader(out); ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil { // what is cut was not said
			break
		}
		acknowledged[strings.TrimSpace(line)] = true
		if n == enough {
			_ = cmd.Process.Kill() // what it had said before is read all the same
		}
	}
	_ = cmd.Wait() // it was killed
	if n < enough {
		t.Fatalf("the victim ended by itself: %s", problems.String())
	}
}

// expectOnce looks for one effect of each event.
func (l *ledger) expectOnce(t *testing.T, numbers []string) {
	t.Helper()
	credits := l.Credits(t)
	missing, doubled := 0, 0
	for _, n := range numbers {
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
		t.Errorf("of %d acknowledged events %d have no effect, and %d have two", len(numbers), missing, doubled)
	}
	t.Logf("%d events acknowledged, %d have no effect, %d have two", len(numbers), missing, doubled)
}

// run runs box until the test ends or stop is called.
func run(t *testing.T, box *nats.Inbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// quiet waits until nothing is to be done.
func quiet(t *testing.T, box *nats.Inbox) inbox.Stats {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		stats, err := box.Stats(t.Context())
		if err == nil && stats.Total(inbox.Pending)+stats.Total(inbox.Waiting)+stats.Total(inbox.Running) == 0 {
			return stats
		}
		if time.Now().After(end) {
			t.Fatalf("something is left: %+v, %v", stats, err)
		}
	}
}

func TestProcessKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	l := newLedger(t, running(t))
	acknowledged := map[string]bool{}
	for round := range 5 {
		killVictim(t, fmt.Sprint(running(t).url(), " ", l.stream, " ", l.path, " ", 1_000_000*round), acknowledged)
	}
	box := l.open(t, quick())
	defer box.Close()
	for n := range acknowledged { // their providers send again
		if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t0", n)); err != nil || fresh {
			t.Errorf("%s was acknowledged and is not known: fresh %v, %v", n, fresh, err)
		}
	}
	if err := box.Handle("p", "*", crediting(l)); err != nil {
		t.Fatal(err)
	}
	stop := run(t, box)
	quiet(t, box)
	stop()
	var numbers []string
	for n := range acknowledged {
		numbers = append(numbers, n)
	}
	l.expectOnce(t, numbers)
}

// The server is killed with what it has not synced, and stopped for longer than the lease once; providers send again what was refused.
func TestServerKilledFiveTimesUnderLoadLosesAndDoublesNothing(t *testing.T) {
	s := own(t, true)
	l := newLedger(t, s)
	c := quick()
	c.OrderBy = func(e webhook.Event) string { return fmt.Sprint(len(e.ID), e.ID[:1]) }
	c.MaxAttempts = 1000 // an attempt that is interrupted counts
	box := l.open(t, c)
	defer box.Close()
	var mu sync.Mutex
	last := map[string]int64{}
	var backwards []string
	credit := crediting(l)
	if err := box.Handle("p", "*", func(ctx context.Context, tx nats.NoTx, d *inbox.Delivery) error {
		err := credit(ctx, tx, d)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			if d.ID < last[d.OrderKey] {
				backwards = append(backwards, fmt.Sprint(d.OrderKey, ": ", d.ID, " after ", last[d.OrderKey]))
			}
			last[d.OrderKey] = d.ID
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	stop := run(t, box)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var next, refused atomic.Int64
	var acknowledged []string
	enoughNow := make(chan struct{}, 1)
	halt := make(chan struct{})
	var producers sync.WaitGroup
	for range 16 {
		producers.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-halt:
					return
				default:
				}
				id := fmt.Sprint(next.Add(1))
				for ctx.Err() == nil { // until it is acknowledged
					one, cancel := context.WithTimeout(ctx, time.Second)
					_, err := box.Accept(one, inboxtest.Event("p", "t", id))
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, webhook.ErrUnavailable) {
						t.Errorf("Accept: %v", err)
					}
					refused.Add(1)
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				if len(acknowledged)%enough == 0 {
					select {
					case enoughNow <- struct{}{}:
					default:
					}
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		select {
		case <-enoughNow:
		case <-ctx.Done():
			t.Fatal("too few events are acknowledged")
		}
		s.kill()
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(nats.LeaseTime + time.Second) // which interrupts what is in hand
	if err := s.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	<-enoughNow
	close(halt)
	producers.Wait()
	quiet(t, box)
	stop()
	mu.Lock()
	defer mu.Unlock()
	l.expectOnce(t, acknowledged)
	t.Logf("%d answers said to send again", refused.Load())
	if refused.Load() == 0 {
		t.Error("no answer was refused: nothing is shown")
	}
	slices.Sort(backwards)
	for _, row := range backwards {
		t.Error(row)
	}
}
