package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

// run serves until ctx ends, then lets requests in hand finish. What to try is printed to out.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	secrets, err := newSecrets()
	if err != nil {
		return err
	}
	posts, err := openContent(o.data)
	if err != nil {
		return err
	}
	events, err := openHooks(o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.close()) }()
	common, err := openShared(o.redis)
	if err != nil {
		return err
	}
	defer common.close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return err
	}
	origin := cmp.Or(o.front, "http://"+listener.Addr().String())
	handler, cache := site(origin, posts, secrets, events, common)
	if _, err := fmt.Fprintf(out, "%s\n# instance at %s\n", hints(origin, secrets), listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	working, stopWorking := context.WithCancel(context.WithoutCancel(ctx))
	worked := make(chan error, 2)
	go func() { worked <- events.box.Run(working) }()
	go func() { worked <- common.follow(working, cache) }()
	defer func() { // after the last request: first what brings events ends, then what handles them
		stopWorking()
		err = errors.Join(err, <-worked, <-worked)
	}()
	server := security.Server(behind(o.front, handler))
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
