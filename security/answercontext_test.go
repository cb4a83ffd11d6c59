package security_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func TestSlowHandlersGet503(t *testing.T) {
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		code    int
		body    string
	}{
		{"one that gives up", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 503, "Service Unavailable"},
		{"one that takes the end of its context for a fault", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(w, "database: "+r.Context().Err().Error(), 500)
		}, 503, "Service Unavailable"},
		{"one that answers 503 itself", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(w, "busy", 503)
		}, 503, "busy"},
		{"one that is done though it is late", func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			_, _ = io.WriteString(w, "done")
		}, 200, "done"},
		{"one that says why", func(w http.ResponseWriter, r *http.Request) {
			child, cancel := context.WithCancel(r.Context())
			defer cancel()
			<-child.Done()
			_, _ = fmt.Fprint(w, r.Context().Err(), " / ", context.Cause(r.Context()), " / ", context.Cause(child))
		}, 200, "context deadline exceeded / handler did not begin to answer in time / handler did not begin to answer in time"},
		{"one that only looks whether its context ended", func(_ http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				time.Sleep(10 * time.Second)
			}
		}, 503, "Service Unavailable"},
		{"one that looks at its context when it is late", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			<-r.Context().Done()
		}, 503, "Service Unavailable"},
		{"one whose answer began in time", func(w http.ResponseWriter, r *http.Request) {
			if _, ok := r.Context().Deadline(); !ok {
				t.Error("no deadline")
			}
			w.WriteHeader(200)
			time.Sleep(time.Hour)
			_, ok := r.Context().Deadline()
			_, _ = fmt.Fprint(w, r.Context().Err(), " ", ok)
		}, 200, "<nil> false"},
		{"one that waits on its context and then answers in time", func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
			w.WriteHeader(200)
			time.Sleep(time.Hour)
			_, _ = fmt.Fprint(w, r.Context().Err())
		}, 200, "<nil>"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := serve(mustDeadlines(t, security.DeadlinesConfig{}).Wrap(row.handler), httptest.NewRequest("GET", "/", nil))
			if w.Code != row.code || !strings.Contains(w.Body.String(), row.body) {
				t.Errorf("%s: %d %s", row.name, w.Code, w.Body)
			}
		})
	}
}

func TestTheContextEndsWithTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		contexts := make(chan context.Context, 2)
		h := mustDeadlines(t, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.Context().Value(key{}) != "kept" {
				t.Error("the context lost a value")
			}
			if len(contexts) == 0 {
				time.Sleep(time.Second)
				_ = r.Context().Done()
			}
			contexts <- r.Context()
		}))
		r := httptest.NewRequest("GET", "/", nil).WithContext(context.WithValue(t.Context(), key{}, "kept"))
		serve(h, r)
		serve(h, r)
		for _, name := range []string{"waited on", "never waited on"} {
			ctx := <-contexts
			if err := ctx.Err(); !errors.Is(err, context.Canceled) || ctx.Value(key{}) != "kept" {
				t.Errorf("a context %s: %v", name, err)
			}
			if _, ok := <-ctx.Done(); ok {
				t.Errorf("a context %s goes on", name)
			}
		}
	})
}

func TestAnEarlierDeadlineOfTheRequestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := mustDeadlines(t, security.DeadlinesConfig{}).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if at, ok := r.Context().Deadline(); !ok || time.Until(at) > time.Second {
				t.Errorf("deadline %v, %v", at, ok)
			}
			<-r.Context().Done()
		}))
		start := time.Now()
		serve(h, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}
