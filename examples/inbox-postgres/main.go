// Inbox-postgres receives payment events by Standard Webhooks and credits each once, whatever happens to the process, to the database's
// connections or to the database: events, credits and the marks that say which event is done are in one PostgreSQL database, which any
// number of these processes may share.
//
//	WEBHOOK_SECRET=whsec_… [CONSOLE_PASSWORD=…] go run ./examples/inbox-postgres -database-url postgres://localhost/payments [-addr 127.0.0.1:8080] [-workers 8] [-handler-delay 0s]
package main

import (
	"context"
	"crypto/rand"
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

	"github.com/gatehouse-go/gatehouse/engines/postgres"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/jackc/pgx/v5/pgxpool"
)

type options struct {
	addr, database, secret, password string
	workers                          int
	delay                            time.Duration
}

func main() {
	o := options{secret: os.Getenv("WEBHOOK_SECRET"), password: os.Getenv("CONSOLE_PASSWORD")}
	flag.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address to listen on")
	flag.StringVar(&o.database, "database-url", os.Getenv("DATABASE_URL"), "PostgreSQL database")
	flag.IntVar(&o.workers, "workers", 8, "events handled at once")
	flag.DurationVar(&o.delay, "handler-delay", 0, "how long the slow part of handling an event takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "inbox-postgres:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then finishes what is in hand.
func run(ctx context.Context, o options) error {
	settings, err := pgxpool.ParseConfig(o.database)
	if err != nil {
		return err
	}
	settings.MaxConns = max(settings.MaxConns, int32(o.workers)+8) //nolint:gosec // a flag; 3 are the inbox's, the others for looking
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, ownTable); err != nil {
		return err
	}
	box, err := postgres.Open(ctx, pool, inbox.Config{Workers: o.workers}) // which runs the migrations that are missing
	if err != nil {
		return err
	}
	defer func() { _ = box.Close() }()      // which returns no error
	for _, typ := range []string{"*", ""} { // events with a type, and without
		if err := box.HandleStaged("standardwebhooks", typ, credit(o.delay)); err != nil {
			return err
		}
	}
	hooks, err := webhook.New(webhook.Config{
		Scheme:  provider.StandardWebhooks{Secrets: []webhook.Secret{webhook.NewSecret(o.secret)}},
		OnEvent: inbox.Receive(box),
		Dedupe:  webhook.InsecureNoDedupe{}, // the inbox knows duplicates itself, and for longer
	})
	if err != nil {
		return err
	}
	if o.password == "" {
		o.password = rand.Text()
		fmt.Fprintf(os.Stderr, "console: http://%s/console/ user operator, password of this run %s\n", o.addr, o.password)
	}
	pages, closePages, err := console(box, o.password)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/standard", hooks)
	mux.HandleFunc("GET /effects", effects(pool, box))
	mux.Handle("/console/", pages)
	return serve(ctx, o.addr, mux, box, closePages)
}

// serve runs the workers and the server, and ends both: first what brings events, then what handles them.
func serve(ctx context.Context, addr string, handler http.Handler, box *postgres.Inbox, closePages func()) error {
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
	server.RegisterOnShutdown(closePages)
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
