// Inbox receives payment events by Standard Webhooks and credits each once, whatever happens to the process: events, credits and the
// marks that say which event is done are in one SQLite file.
//
//	WEBHOOK_SECRET=whsec_… [CONSOLE_PASSWORD=…] go run ./examples/inbox [-addr 127.0.0.1:8080] [-db inbox.db] [-workers 8] [-handler-delay 0s]
//
// What was received, and what became of it, is shown under /console/.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	_ "modernc.org/sqlite"
)

type options struct {
	addr, db string
	secret   string
	password string
	workers  int
	delay    time.Duration
}

func main() {
	o := options{secret: os.Getenv("WEBHOOK_SECRET"), password: os.Getenv("CONSOLE_PASSWORD")}
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
	operators, closeStreams, err := pages(box, o.addr, o.password)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/standard", hooks)
	mux.HandleFunc("GET /effects", effects(db, box))
	mux.Handle("/console/", operators)
	return serve(ctx, o.addr, mux, box, closeStreams)
}
