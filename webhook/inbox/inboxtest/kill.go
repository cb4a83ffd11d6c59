package inboxtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// victimEnv has the first event's number and the ledger's address, for a process that will be killed.
const victimEnv = "GATEHOUSE_INBOX_VICTIM"

// Victim reports whether this process is a test binary that the suite has started to kill it. A TestMain must not start a server in one.
func Victim() bool { return os.Getenv(victimEnv) != "" }

// killed kills a process five times under load. Each takes up what the ones before it had in hand.
func killed[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.At == nil {
		t.Skip("the engine does not say how another process finds a ledger")
	}
	if Victim() {
		victim(t, e)
		return
	}
	l := e.New(t)
	tried, acknowledged := map[string]bool{}, map[string]bool{}
	for round := range 5 {
		kill(t, fmt.Sprint(1_000_000*round, " ", e.Address(l)), func(did, number string) {
			if did == "tries" {
				tried[number] = true
			} else {
				acknowledged[number] = true
			}
		})
	}
	box := open(t, l, quick())
	for number := range tried { // their providers send again
		if fresh, err := box.Accept(t.Context(), Event("p", "t0", number)); err != nil || fresh && acknowledged[number] {
			t.Errorf("event %s, acknowledged %v, comes again: fresh %v, %v", number, acknowledged[number], fresh, err)
		}
	}
	must(t, box.Handle("p", "*", credit(l)))
	Start(t, box)
	await(t, box, inbox.Done, int64(len(tried)))
	Once(t, l, slices.Collect(maps.Keys(tried)))
	Honest(t, box)
	t.Logf("%d events tried, %d acknowledged", len(tried), len(acknowledged))
}

// Once compares the effects in l with the numbers of the events of provider "p" that must have one each.
func Once[T any](t *testing.T, l Ledger[T], numbers []string) {
	t.Helper()
	credits := l.Credits(t)
	missing, doubled := 0, 0
	for _, number := range numbers {
		switch credits[Event("p", "", number).Key.String()] {
		case 0:
			missing++
		case 1:
		default:
			doubled++
		}
	}
	if missing != 0 || doubled != 0 {
		t.Errorf("of %d events %d have no effect, and %d have two", len(numbers), missing, doubled)
	}
}

// lifetime is after how many acknowledgements a victim is killed.
const lifetime = 300

// kill starts this test in a process of its own, reads what it tries and what is acknowledged, and kills it in the midst.
func kill(t *testing.T, args string, event func(did, number string)) {
	t.Helper()
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+strings.Join(parts, "/"), "-test.count=1") //nolint:gosec // this test
	cmd.Env = append(os.Environ(), victimEnv+"="+args)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	late := time.AfterFunc(3*patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var said strings.Builder
	acknowledged := 0
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // what is cut was not said
			break
		}
		said.WriteString(line)
		did, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if did != "tries" && did != "has" {
			continue
		}
		event(did, number)
		if did == "has" {
			if acknowledged++; acknowledged == lifetime {
				_ = cmd.Process.Kill() // what it had said before is read all the same
			}
		}
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = cmd.Wait() // it was killed
	if acknowledged < lifetime {
		t.Fatalf("only %d events were acknowledged before the process ended: %s%s", acknowledged, said.String(), problems.String())
	}
}

// victim accepts events from many producers, of which some come twice, and handles them, until it is killed. It says which it tries
// and which was acknowledged.
func victim[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	var first int64
	var address string
	if _, err := fmt.Sscan(os.Getenv(victimEnv), &first, &address); err != nil {
		t.Fatal(err)
	}
	l := e.At(t, address)
	box := l.Open(t, quick())
	must(t, box.Handle("p", "*", func(ctx context.Context, tx T, d *inbox.Delivery) error {
		if d.Attempts == 1 && d.ID%7 == 0 {
			return errors.New("the first attempt of every seventh fails")
		}
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}))
	Start(t, box)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience) // nobody has killed it
	defer cancel()
	say := func(did string, n int64) { _, _ = fmt.Fprintln(os.Stdout, did, n) } // nobody listens if this fails
	var next atomic.Int64
	next.Store(first)
	var producers sync.WaitGroup
	for range 32 {
		producers.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1)
				say("tries", n)
				for range 1 + n%50/49 {
					if _, err := box.Accept(ctx, Event("p", fmt.Sprint("t", n%3), strconv.FormatInt(n, 10))); err != nil {
						t.Errorf("Accept: %v", err)
						return
					}
				}
				say("has", n)
			}
		})
	}
	producers.Wait()
	t.Fatal("nobody has killed it")
}
