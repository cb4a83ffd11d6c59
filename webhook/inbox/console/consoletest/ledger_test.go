package consoletest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	_ "modernc.org/sqlite"
)

// openLedger returns an inbox over a new SQLite file.
func openLedger(t *testing.T, c inbox.Config) *sqlite.Inbox {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "ledger.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Backoff == nil {
		c.Backoff = func(int) time.Duration { return time.Millisecond }
	}
	box, err := sqlite.Open(db, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		testwait.End(t, "Close", func() {
			if err := errors.Join(box.Close(), db.Close()); err != nil {
				t.Error(err)
			}
		})
	})
	return box
}

// run handles deliveries until the test ends, or until stop is called.
func run(t *testing.T, box *sqlite.Inbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- box.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		testwait.End(t, "Run", func() {
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	})
	t.Cleanup(stop)
	return stop
}

// await waits until as many deliveries have a status.
func await(t *testing.T, box *sqlite.Inbox, status inbox.Status, n int64) {
	t.Helper()
	var stats inbox.Stats
	for end := time.Now().Add(testwait.Patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		var err error
		if stats, err = box.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stats.Total(status) == n {
			return
		}
	}
	t.Fatalf("%d deliveries are %s, want %d", stats.Total(status), status, n)
}

// event returns an event as a provider's handler would store it.
func event(provider, typ, id, body string) webhook.Event {
	return webhook.Event{
		Provider: provider, Type: typ, TypeSigned: true, ID: id, IDSigned: true, SentAt: time.Now().Add(-2 * time.Second), ReceivedAt: time.Now(),
		Method: http.MethodPost, Body: []byte(body), Key: webhook.NewKey(provider, []byte("id"), []byte(id)), SignedHeaders: []string{"Webhook-Id"},
		Header: http.Header{
			"Content-Type": {"application/json"}, "User-Agent": {provider + "/1.0"}, "Webhook-Id": {id}, "X-Forwarded-For": {"203.0.113.7"},
			"Authorization": {"Bearer topsecret"}, "X-Api-Token": {"alsosecret"},
		},
	}
}

func accept(t *testing.T, box *sqlite.Inbox, events ...webhook.Event) {
	t.Helper()
	for _, e := range events {
		if _, err := box.Accept(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// fill stores what a busy week looks like: 40 done, 6 dead, 3 ignored, 1 that waits for its next attempt, and a paused type with 2 pending.
func fill(t *testing.T, box *sqlite.Inbox) {
	t.Helper()
	handle := func(provider, typ string, h inbox.Handler[*sql.Tx]) {
		if err := box.Handle(provider, typ, h); err != nil {
			t.Fatal(err)
		}
	}
	well := func(context.Context, *sql.Tx, *inbox.Delivery) error { return nil }
	handle("stripe", "*", well)
	handle("stripe", "charge.disputed", func(context.Context, *sql.Tx, *inbox.Delivery) error {
		return inbox.Permanent(errors.New("ledger service answered 422: account acct_1Nv0FGQ9RKHgCVdK is closed"))
	})
	handle("github", "push", well)
	handle("github", "release", func(context.Context, *sql.Tx, *inbox.Delivery) error { panic("index out of range [3] with length 3") })
	handle("shopify", "orders/create", func(context.Context, *sql.Tx, *inbox.Delivery) error {
		return inbox.RetryAfter(time.Hour, errors.New("warehouse: 503 Service Unavailable"))
	})
	if err := box.Pause(t.Context(), "github", "workflow_run", inbox.Reason{By: "ann", Why: "CI is being moved"}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		accept(t, box,
			event("stripe", "invoice.paid", fmt.Sprintf("evt_1Pgc%03d", i), fmt.Sprintf(`{"id":"evt_1Pgc%03d","object":"event","type":"invoice.paid","livemode":true,"data":{"object":{"id":"in_%d","amount_paid":%d,"currency":"eur","customer_email":"ann@example.com","card":{"last4":"4242","number":"4242424242424242"},"lines":[1,2.50,null]}}}`, i, i, 1000+i*37)),
			event("github", "push", fmt.Sprintf("72d3162e-cc78-11e3-81ab-%012d", i), fmt.Sprintf(`{"ref":"refs/heads/main","after":"%040d","commits":[]}`, i)),
		)
	}
	for i := range 4 {
		accept(t, box, event("stripe", "charge.disputed", fmt.Sprintf("evt_9Dis%03d", i), `{"type":"charge.disputed","amount":12345}`))
	}
	for i := range 2 {
		accept(t, box, event("github", "release", fmt.Sprintf("9c0f0e52-%012d", i), `{"action":"published"}`))
	}
	for i := range 3 {
		accept(t, box, event("gitlab", "Pipeline Hook", fmt.Sprintf("pipe-%d", i), `{"object_kind":"pipeline"}`))
	}
	accept(t, box, event("shopify", "orders/create", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043", `{"id":820982911946154508}`),
		event("github", "workflow_run", "run-1", `{}`), event("github", "workflow_run", "run-2", `{}`),
		event("stripe", "invoice.paid", "evt_1Pgc003", `{}`)) // again
	stop := run(t, box)
	await(t, box, inbox.Done, 40)
	await(t, box, inbox.Dead, 6)
	await(t, box, inbox.Ignored, 3)
	await(t, box, inbox.Pending, 3)
	await(t, box, inbox.Running, 0)
	stop()
}

// serve mounts a console over box at /admin/inbox/ of a server, as an application would.
func serve(t *testing.T, box console.Ledger, c console.Config) (origin string) {
	t.Helper()
	return serveWithin(t, box, c, testwait.Patience)
}

// serveWithin does what serve does, on a server that gives no request and no answer more time than that.
func serveWithin(t *testing.T, box console.Ledger, c console.Config, timeout time.Duration) (origin string) {
	t.Helper()
	if c.Access == nil {
		c.Access = func(*http.Request) (string, error) { return "ann@example.com", nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	pages, err := console.New(box, c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/admin/inbox/", pages)
	s := httptest.NewUnstartedServer(mux)
	s.Config.RegisterOnShutdown(pages.Close)
	s.Config.ReadTimeout, s.Config.WriteTimeout = timeout, timeout // which streams outlive
	s.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testwait.Patience)
		defer cancel()
		if err := s.Config.Shutdown(ctx); err != nil { // streams end by themselves
			t.Error(err)
		}
		s.Close()
	})
	return s.URL
}

// post submits a form of the console's own.
func post(t *testing.T, address string, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}
