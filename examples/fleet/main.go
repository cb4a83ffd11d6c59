// Fleet runs three instances of the quickstart that behave as one: a front shares requests out among them, and what they must agree on is in one
// Redis server.
//
//	go run ./examples/fleet [-addr 127.0.0.1:8080] [-redis HOST:PORT]
//
// Without -redis it starts redis-server itself, for as long as it runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/gatehouse-go/gatehouse/security"
)

const instances = 3

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of the front")
	redis := flag.String("redis", "", "HOST:PORT of a Redis server; empty means to start one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, *redis, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. What to try is printed to out.
func run(ctx context.Context, addr, redis string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	started := &processes{dir: dir}
	defer func() { err = errors.Join(err, started.stop()) }()
	if redis == "" {
		if redis, err = started.redis(ctx); err != nil {
			return err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // Serve has closed it, if it came so far
	origin := "http://" + listener.Addr().String()
	program, err := started.build(ctx)
	if err != nil {
		return err
	}
	environment, err := secrets()
	if err != nil {
		return err
	}
	var targets []string
	for range instances {
		target, hints, err := started.instance(ctx, program, environment, "-addr", "127.0.0.1:0", "-redis", redis, "-front", origin)
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			_, _ = io.WriteString(out, hints)
		}
		targets = append(targets, target)
	}
	front, err := proxy.New(proxy.Config{
		Rewrites: proxy.RewriteRules{Before: []proxy.RewriteRule{{Source: "/:path*", Destination: "http://quickstart/:path*"}}},
		Upstreams: map[string]proxy.Upstream{"quickstart": {
			Targets: targets, PassHost: true, // the one with the fewest requests under way is asked, and in turn where they are equal
			MaxRetries: instances - 1, // one that has ended is left out
		}},
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out, "instances:", targets, "redis:", redis)

	server := security.Server(front.Wrap(http.NotFoundHandler()))
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(ending)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
