// Secureapi shows security.Default in front of a small JSON API and the page that uses it.
//
//	go run ./examples/secureapi [-addr 127.0.0.1:8080] [-limit 60] [-read-timeout 10s] [-log warn]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"golang.org/x/time/rate"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address to listen on")
	limit := flag.Int("limit", 60, "requests a minute from one address")
	readTimeout := flag.Duration("read-timeout", 10*time.Second, "time for a request's header, and for its body")
	var level slog.Level
	flag.TextVar(&level, "log", level, "least `level` of what is logged: each request is a line at INFO")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, settings{limit: *limit, readTimeout: *readTimeout, log: os.Stderr, level: level}, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "secureapi:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	limit       int
	readTimeout time.Duration
	log         io.Writer
	level       slog.Level
}

// run serves until ctx ends, then lets requests in hand finish.
func run(ctx context.Context, addr string, s settings, out io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	config := s.config(listener.Addr().String())
	chain, chainErr := security.Default(config)
	handler, err := site(config.Logger)
	if err := errors.Join(chainErr, err); err != nil {
		return errors.Join(err, listener.Close())
	}
	origin := "http://" + listener.Addr().String()
	_, _ = fmt.Fprintf(out, "listening on %s\n\n%s\ncurl %s/api/items\ncurl -H 'Content-Type: application/json' -d '{\"name\":\"pears\",\"count\":3}' %s/api/items\n", origin, config.Explain(), origin, origin)

	server := security.Server(chain.Then(handler))
	server.ReadHeaderTimeout = s.readTimeout
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// config is the chain for this server: what it has to decide, and a page whose scripts carry a nonce.
func (s settings) config(host string) security.Config {
	headers := security.HTMLHeaders()
	headers.CSP.ReportURI = reportsPath
	return security.Config{
		Target:    security.TargetConfig{Hosts: []string{host, "localhost:*"}},
		Headers:   headers,
		Deadlines: security.DeadlinesConfig{Body: s.readTimeout, Grace: min(5*time.Second, s.readTimeout)},
		IPLimit: security.RateLimitConfig{Policies: []security.RatePolicy{{
			Name: "minute", Limit: rate.Limit(float64(s.limit) / 60), Burst: s.limit,
		}}},
		Body: security.BodyConfig{
			MediaTypes: []string{"application/json", "application/csp-report", "application/reports+json"},
			MaxBody:    64 << 10,
		},
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: s.level})),
	}
}
