package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// serve runs the workers and the server, and ends both: first what brings events, then what handles them.
func serve(ctx context.Context, addr string, handler http.Handler, box *sqlite.Inbox, closeStreams func()) error {
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
	server.RegisterOnShutdown(closeStreams)
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
