package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
)

// What is missing is an error of everything that needs it, and not an empty answer.
func TestTablesThatAreMissing(t *testing.T) {
	ctx, why := context.Background(), inbox.Reason{By: "ann", Why: "x"}
	calls := map[string]func(box *postgres.Inbox, id int64) error{
		"Accept": func(box *postgres.Inbox, _ int64) error {
			_, err := box.Accept(ctx, inboxtest.Event("p", "t", "another"))
			return err
		},
		"List":    func(box *postgres.Inbox, _ int64) error { _, err := box.List(ctx, inbox.Filter{}); return err },
		"by lane": func(box *postgres.Inbox, _ int64) error { _, err := box.List(ctx, inbox.Filter{Type: "t"}); return err },
		"by id": func(box *postgres.Inbox, _ int64) error {
			_, err := box.List(ctx, inbox.Filter{EventID: "1"})
			return err
		},
		"by time": func(box *postgres.Inbox, _ int64) error {
			_, err := box.List(ctx, inbox.Filter{From: time.Now()})
			return err
		},
		"Get":      func(box *postgres.Inbox, id int64) error { _, _, err := box.Get(ctx, id); return err },
		"Stats":    func(box *postgres.Inbox, _ int64) error { _, err := box.Stats(ctx); return err },
		"Activity": func(box *postgres.Inbox, _ int64) error { _, err := box.Activity(ctx, time.Time{}); return err },
		"Export":   func(box *postgres.Inbox, _ int64) error { return box.Export(ctx, io.Discard, inbox.Filter{}) },
		"Pause":    func(box *postgres.Inbox, _ int64) error { return box.Pause(ctx, "p", "t", why) },
		"Resume":   func(box *postgres.Inbox, _ int64) error { return box.Resume(ctx, "p", "t") },
		"Health":   func(box *postgres.Inbox, _ int64) error { return box.Health(ctx) },
		"Replay": func(box *postgres.Inbox, id int64) error {
			return decided(box.Replay(ctx, inbox.Selection{IDs: []int64{id}}, why))
		},
		"Discard": func(box *postgres.Inbox, id int64) error {
			return decided(box.Discard(ctx, inbox.Selection{IDs: []int64{id}}, why))
		},
		"Run": func(box *postgres.Inbox, _ int64) error {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			return box.Run(short)
		},
	}
	for _, row := range []struct {
		table string
		fail  []string
	}{
		{"inbox_deliveries", []string{"Accept", "List", "by lane", "by id", "Get", "Export", "Replay", "Discard"}},
		{"inbox_counter_changes", []string{"Accept", "by lane", "Stats", "Discard", "Resume", "Pause"}},
		{"inbox_counters", []string{"by lane", "Stats"}},
		{"inbox_minute_changes", []string{"Accept", "Activity"}},
		{"inbox_minutes", []string{"Activity"}},
		{"inbox_slots", []string{"Accept", "by time"}},
		{"inbox_attempts", []string{"Get", "Discard"}},
		{"inbox_paused", []string{"Pause", "Resume", "Stats"}},
		{"inbox_schema", []string{"Health"}},
		{"inbox_clock", nil},
	} {
		t.Run(row.table, func(t *testing.T) {
			l := newLedger(t)
			box := l.open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler), DrainTimeout: time.Millisecond, KeepBodies: time.Microsecond, KeepKeys: time.Microsecond})
			defer box.Close()
			id := func() int64 {
				if _, err := box.Accept(ctx, inboxtest.Event("p", "t", "1")); err != nil {
					t.Fatal(err)
				}
				page, err := box.List(ctx, inbox.Filter{})
				if err != nil {
					t.Fatal(err)
				}
				return page.Deliveries[0].ID
			}()
			l.exec(t, "DROP TABLE "+row.table)
			for _, name := range row.fail {
				if err := calls[name](box, id); err == nil {
					t.Errorf("%s: no error", name)
				}
			}
			if err := calls["Run"](box, id); err != nil { // which waits for better times
				t.Errorf("Run: %v", err)
			}
		})
	}
}

func decided(_ int64, err error) error { return err }

// What one event of a group cannot have does not keep its neighbours out.
func TestAnEventThatTheServerRefusesIsRefusedAlone(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{})
	defer box.Close()
	l.exec(t, "ALTER TABLE inbox_deliveries ADD CHECK (event_id <> 'bad')")
	unlock := l.lock(t)
	var wait sync.WaitGroup
	defer testwait.End(t, "what was offered", wait.Wait)
	defer unlock()
	accept := func(id string) {
		wait.Go(func() {
			fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", id))
			if (id == "bad") != (err != nil) || fresh != (err == nil) {
				t.Errorf("%s: fresh %v, %v", id, fresh, err)
			}
		})
	}
	accept("0")
	l.until(t, "a writer that waits for the lock", "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'inbox_deliveries'::regclass AND NOT granted)")
	for i := range 18 { // which wait for the writer, and become one group
		accept(fmt.Sprint(i + 1))
	}
	accept("bad")
	testwait.Until(t, "a line of all others", func() bool {
		stats, err := box.Stats(t.Context())
		return err == nil && stats.Queued == 19
	})
	unlock()
	testwait.All(t, "the end of what was offered", &wait)
	inboxtest.Honest(t, box)
}

// A row that somebody else has spoilt is an error of the one who looks, and keeps nothing else from being handled.
func TestARowThatCannotBeRead(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{})
	defer box.Close()
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	l.exec(t, "UPDATE inbox_deliveries SET meta = 'spoilt'")
	page, err := box.List(t.Context(), inbox.Filter{})
	if err != nil || len(page.Deliveries) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	if _, _, err := box.Get(t.Context(), page.Deliveries[0].ID); err == nil || errors.Is(err, inbox.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	l.exec(t, "ALTER TABLE inbox_deliveries ALTER error DROP NOT NULL")
	l.exec(t, "UPDATE inbox_deliveries SET error = NULL")
	if page, err := box.List(t.Context(), inbox.Filter{}); err == nil {
		t.Errorf("List: %+v", page)
	}
}

// A server with another encoding could not keep text as it is.
func TestADatabaseInAnotherEncodingIsRefused(t *testing.T) {
	l := newLedger(t)
	name := "ascii_" + l.schema
	l.exec(t, "CREATE DATABASE "+name+" ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	settings := l.pool.Config()
	settings.ConnConfig.Database = name
	pool := connectTo(t, settings)
	if _, err := postgres.Open(t.Context(), pool, inbox.Config{}); err == nil || err.Error() != "postgres inbox: server_encoding = SQL_ASCII must be UTF8" {
		t.Errorf("got %v", err)
	}
}

// An attempt that was taken away while it ran has no effect; the one that follows has.
func TestADeliveryThatWasTakenAwayIsNotDoneTwice(t *testing.T) {
	l := newLedger(t)
	box := l.open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler), OrderBy: func(e webhook.Event) string { return e.Provider }})
	defer box.Close()
	if err := box.Handle("p", "t", func(ctx context.Context, tx pgx.Tx, d *inbox.Delivery) error {
		if d.Attempts == 1 { // as another process does that takes this one for dead
			l.exec(t, "UPDATE inbox_deliveries SET attempts = attempts + 1, owner = -1 WHERE id = $1", d.ID)
		}
		return l.Credit(ctx, tx, d.IdempotencyKey())
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
		t.Fatal(err)
	}
	finish(t, box)
	inboxtest.Once(t, l, []string{"1"})
	inboxtest.Honest(t, box)
}
