// Command nextjs is a Next.js application rebuilt with gatehouse: its route handlers, its proxy.ts, and the redirects,
// rewrites and headers of its next.config.ts.
//
//	REVALIDATE_SECRET_TOKEN=s3cret go run ./examples/nextjs -addr 127.0.0.1:3100 -upstream http://127.0.0.1:4999
//
// It answers as Next.js 16 does, but where Next.js is unsafe or breaks an RFC: DIFFERENCES.md lists those.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

// maxHeader makes net/http refuse the request headers that Node refuses: it allows 4 KiB more than it is told.
const maxHeader = 12 << 10

func main() {
	addr := flag.String("addr", "127.0.0.1:3100", "`address` to listen on")
	upstream := flag.String("upstream", "http://127.0.0.1:4999", "`URL` of the server that external rewrites lead to")
	level := slog.LevelInfo
	flag.TextVar(&level, "log", level, "least `level` of what is logged")
	flag.Parse()
	slog.SetLogLoggerLevel(level)
	if err := run(context.Background(), *addr, *upstream); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, upstream string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	app, err := newApp(appConfig{
		Secret:   os.Getenv("REVALIDATE_SECRET_TOKEN"),
		Upstream: upstream,
		Listen:   netip.MustParseAddrPort(listener.Addr().String()), // that of a TCP listener
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := security.Server(app.handler)
	server.MaxHeaderBytes = maxHeader
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	slog.Info("nextjs example", "url", "http://"+listener.Addr().String(), "upstream", upstream)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(wait), app.close(wait))
}
