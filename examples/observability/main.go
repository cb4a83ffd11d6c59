// Observability shows what a server with gatehouse reports: metrics that Prometheus reads, by way of OpenTelemetry.
//
//	WEBHOOK_SECRET=… go run ./examples/observability [-addr 127.0.0.1:8080] [-metrics-addr 127.0.0.1:9464] [-db events.db]
//
// dashboard.json shows them in Grafana.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/otel"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	_ "modernc.org/sqlite"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	metrics := flag.String("metrics-addr", "127.0.0.1:9464", "address for Prometheus, which strangers must not reach")
	db := flag.String("db", "events.db", "SQLite file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, *metrics, *db, os.Getenv("WEBHOOK_SECRET"))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then finishes what is in hand.
func run(ctx context.Context, addr, metricsAddr, file, secret string) (err error) {
	exporter, err := prometheus.New() // reads into the default registry of Prometheus's client
	if err != nil {
		return err
	}
	meters := metric.NewMeterProvider(metric.WithReader(exporter))
	defer func() { err = errors.Join(err, meters.Shutdown(context.WithoutCancel(ctx))) }()
	telemetry, err := otel.New(otel.Config{Meters: meters})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, telemetry.Close()) }()

	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	box, err := sqlite.Open(db, inbox.Config{Observe: telemetry.Inbox})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		return err
	}
	handler, err := site(telemetry, box, cache, secret)
	if err := errors.Join(err, telemetry.WatchInbox(box.Stats), telemetry.WatchCache("pages", cache.Metrics)); err != nil {
		return err
	}

	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorking()
	var running sync.WaitGroup
	defer running.Wait()
	defer stopWorking()
	running.Go(func() {
		if err := box.Run(working); err != nil {
			slog.Error("inbox stopped", "error", err)
		}
	})
	public, private := security.Server(handler), security.Server(promhttp.Handler())
	public.Addr, private.Addr = addr, metricsAddr
	failed := make(chan error, 2)
	for _, server := range []*http.Server{public, private} {
		go func() { failed <- server.ListenAndServe() }()
	}
	slog.Info("listening", "addr", addr, "metrics", "http://"+metricsAddr+"/metrics")
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, public.Shutdown(ending), private.Shutdown(ending))
}

// site receives events of Standard Webhooks, and shows how many were handled on a page that each of them refreshes.
func site(telemetry *otel.Telemetry, box *sqlite.Inbox, cache *revalidate.Cache, secret string) (http.Handler, error) {
	var handled atomic.Int64
	refresh := otel.Process(telemetry, func(ctx context.Context, _ *sql.Tx, _ *inbox.Delivery) error {
		handled.Add(1)
		return cache.ExpireTag(ctx, "events")
	})
	err := errors.Join(box.Handle("standardwebhooks", "*", refresh), box.Handle("standardwebhooks", "", refresh))
	hooks, hooksErr := webhook.New(webhook.Config{
		Scheme:  provider.StandardWebhooks{Secrets: []webhook.Secret{webhook.NewSecret(secret)}},
		OnEvent: telemetry.Event(inbox.Receive(box)), Observe: telemetry.Webhook,
		Dedupe: webhook.InsecureNoDedupe{}, // the inbox knows duplicates itself, and for longer
	})
	if err := errors.Join(err, hooksErr); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/standard", hooks)
	mux.Handle("GET /{$}", cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		revalidate.Tag(w, "events")
		w.Header().Set("Cache-Control", "public, s-maxage=60")
		_, _ = fmt.Fprintf(w, "%d events since the start\n", handled.Load())
	})))
	return telemetry.Wrap(telemetry.Route(mux)), nil
}
