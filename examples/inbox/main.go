// Inbox receives payment events by Standard Webhooks and credits each once, whatever happens to the process: events, credits and the
// marks that say which event is done are in one SQLite file.
//
//	WEBHOOK_SECRET=whsec_… go run ./examples/inbox [-addr 127.0.0.1:8080] [-db inbox.db] [-workers 8] [-handler-delay 0s]
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

type options struct {
	addr, db string
	secret   string
	workers  int
	delay    time.Duration
}

func main() {
	o := options{secret: os.Getenv("WEBHOOK_SECRET")}
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flag.StringVar(&o.db, "db", "inbox.db", "SQLite file")
	flag.IntVar(&o.workers, "workers", 8, "events handled at once")
	flag.DurationVar(&o.delay, "handler-delay", 0, "how long the slow part of handling an event takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "inbox:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then finishes what is in hand.
func run(ctx context.Context, o options) (err error) {
	db, err := sql.Open("sqlite", "file:"+o.db+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS credits (key TEXT NOT NULL, event TEXT NOT NULL)"); err != nil {
		return err
	}
	box, err := sqlite.Open(db, inbox.Config{Workers: o.workers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	if err := box.HandleStaged("standardwebhooks", "*", credit(o.delay)); err != nil {
		return err
	}
	if err := box.HandleStaged("standardwebhooks", "", credit(o.delay)); err != nil { // events without a type
		return err
	}
	hooks, err := webhook.New(webhook.Config{
		Scheme:  provider.StandardWebhooks{Secrets: []webhook.Secret{webhook.NewSecret(o.secret)}},
		OnEvent: inbox.Receive(box),
		Dedupe:  webhook.InsecureNoDedupe{}, // the inbox knows duplicates itself, and for longer
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/standard", hooks)
	mux.HandleFunc("GET /effects", effects(db, box))
	return serve(ctx, o.addr, mux, box)
}

// serve runs the workers and the server, and ends both: first what brings events, then what handles them.
func serve(ctx context.Context, addr string, handler http.Handler, box *sqlite.Inbox) error {
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	var workers sync.WaitGroup
	workers.Go(func() {
		if err := box.Run(working); err != nil {
			slog.Error("inbox stopped", "error", err)
		}
	})
	server := security.Server(handler)
	server.Addr = addr
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	slog.Info("listening", "addr", addr)
	err := server.ListenAndServe()
	stopWorking()
	workers.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// credit does its slow part, such as a call to another service, outside the transaction, and books the payment inside.
func credit(delay time.Duration) inbox.Staged[*sql.Tx] {
	return func(ctx context.Context, _ *inbox.Delivery) (inbox.Handler[*sql.Tx], error) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(delay):
		}
		return func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO credits (key, event) VALUES (?, ?)", d.IdempotencyKey(), d.Event.ID)
			return err
		}, nil
	}
}

// effects counts: stored events, credits made, credits made twice, events not done yet, dead letters.
func effects(db *sql.DB, box *sqlite.Inbox) http.HandlerFunc {
	type answer struct {
		Events     int64 `json:"events"`
		Effects    int64 `json:"effects"`
		Duplicates int64 `json:"duplicates"`
		Pending    int64 `json:"pending"`
		Dead       int64 `json:"dead"`
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var a answer
		stats, err := box.Stats(r.Context())
		if err == nil {
			err = db.QueryRowContext(r.Context(), "SELECT count(*), count(*) - count(DISTINCT key) FROM credits").Scan(&a.Effects, &a.Duplicates)
		}
		if err != nil {
			http.Error(w, "the ledger cannot be read", http.StatusServiceUnavailable)
			return
		}
		for _, status := range inbox.Statuses() {
			a.Events += stats.Total(status)
		}
		a.Pending = stats.Total(inbox.Pending) + stats.Total(inbox.Waiting) + stats.Total(inbox.Running)
		a.Dead = stats.Total(inbox.Dead)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a) // the client is gone if this fails
	}
}
