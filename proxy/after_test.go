package proxy_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestAfterRunsOnceTheAnswerIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		p := newProxy(t, proxy.Config{Handle: func(r *proxy.Request) proxy.Response {
			r.After(nil)
			r.After(func(context.Context) { order = append(order, "first") })
			r.After(func(context.Context) { order = append(order, "second") })
			return proxy.Next()
		}})
		do(p.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { order = append(order, "answer") })), "GET", "/")
		synctest.Wait()
		if got := strings.Join(order, " "); got != "answer first second" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAfterOutlivesTheRequestButNotItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Duration
		var value any
		p := newProxy(t, proxy.Config{AfterTimeout: 7 * time.Second, Handle: func(r *proxy.Request) proxy.Response {
			start := time.Now()
			r.After(func(ctx context.Context) {
				value = ctx.Value(userKey{})
				<-ctx.Done()
				ended = time.Since(start)
			})
			return proxy.JSON(200, 1)
		}})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), userKey{}, "ann"))
		p.Wrap(echo).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		cancel()
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if ended != 7*time.Second || value != "ann" {
			t.Errorf("ended after %v with value %v", ended, value)
		}
	})
}

func TestAfterIsBoundedAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most, done := 0, 0, 0
		lock := make(chan struct{}, 1)
		p := newProxy(t, proxy.Config{MaxAfter: 2, Handle: func(r *proxy.Request) proxy.Response {
			r.After(func(context.Context) {
				lock <- struct{}{}
				running++
				most = max(most, running)
				<-lock
				time.Sleep(time.Second)
				lock <- struct{}{}
				running--
				done++
				<-lock
			})
			return proxy.JSON(200, 1)
		}})
		h := p.Wrap(echo)
		start := time.Now()
		for range 6 { // one after the other: the third finds both places taken and does its work itself
			do(h, "GET", "/")
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if most != 3 || done != 6 {
			t.Errorf("%d of 6 done, at most %d at a time", done, most)
		}
		if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		do(h, "GET", "/")
		if done != 7 {
			t.Error("after Close, work must run in its request")
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		p, err := proxy.New(proxy.Config{AfterTimeout: time.Hour, Handle: func(r *proxy.Request) proxy.Response {
			r.After(func(ctx context.Context) {
				<-ctx.Done()
				cause = ctx.Err()
			})
			return proxy.JSON(200, 1)
		}})
		if err != nil {
			t.Fatal(err)
		}
		do(p.Wrap(echo), "GET", "/")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if !errors.Is(cause, context.Canceled) {
			t.Errorf("the work was told %v", cause)
		}
	})
}

func TestAfterRunsWhenTheHandlerPanicsAndPanicsItselfAreLogged(t *testing.T) {
	var log strings.Builder
	p := newProxy(t, proxy.Config{Logger: slog.New(slog.NewTextHandler(&syncWriter{w: &log}, nil)), Handle: func(r *proxy.Request) proxy.Response {
		r.After(func(context.Context) { panic("in the first work") })
		r.After(func(context.Context) { panic("in the second work") })
		return proxy.Next()
	}})
	func() {
		defer func() {
			if recover() != "in the handler" {
				t.Error("the handler's panic was swallowed")
			}
		}()
		do(p.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("in the handler") })), "GET", "/")
	}()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "first") || !strings.Contains(got, "second") {
		t.Errorf("log: %s", got)
	}
}
