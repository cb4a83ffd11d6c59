package security_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/security"
)

func newRecover(tb testing.TB, c security.RecoverConfig) *security.Recover {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := security.NewRecover(c)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

type panicking struct{}

func (panicking) String() string { panic("again") }

func TestRecoverAnswersForThePanic(t *testing.T) {
	for _, row := range []struct {
		name  string
		value any
	}{
		{"a text", "the secret cause"},
		{"an error", errors.New("the secret cause")},
		{"nil", nil},
		{"a value whose own method panics", panicking{}},
	} {
		var log bytes.Buffer
		var told any
		h := newRecover(t, security.RecoverConfig{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			OnPanic: func(_ *http.Request, value any, stack []byte) {
				told = value
				if !bytes.Contains(stack, []byte("recover_test.go")) {
					t.Errorf("%s: the stack lacks the place: %s", row.name, stack)
				}
			},
		}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("ETag", `"1"`)
			panic(row.value)
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Code != 500 || w.Body.String() != `{"status":500,"title":"Internal Server Error"}`+"\n" || w.Header().Get("ETag") != "" {
			t.Errorf("%s: %d %s %v", row.name, w.Code, w.Body, w.Header())
		}
		if !strings.Contains(log.String(), "handler panicked") || told == nil {
			t.Errorf("%s: logged %q, told %v", row.name, log.String(), told)
		}
	}
}

func TestRecoverPassesAbortOn(t *testing.T) {
	var log bytes.Buffer
	h := newRecover(t, security.RecoverConfig{Logger: slog.New(slog.NewTextHandler(&log, nil)), OnPanic: func(*http.Request, any, []byte) {
		t.Error("an abort is no fault")
	}}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || log.Len() > 0 { //nolint:errorlint // the very value
			t.Errorf("got %v, logged %s", p, log.String())
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// An answer that has begun cannot become a 500: the client must see that it is cut.
func TestRecoverCutsAnAnswerThatHasBegun(t *testing.T) {
	for _, hijack := range []bool{false, true} {
		srv := httptest.NewServer(newRecover(t, security.RecoverConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if hijack {
				conn, buf, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprint(buf, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
				_ = buf.Flush()
			} else {
				_, _ = io.WriteString(w, "abc")
				_ = http.NewResponseController(w).Flush()
			}
			panic("late")
		})))
		srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil || string(body) != "abc" {
			t.Errorf("hijack %v: the client read %q and %v", hijack, body, err)
		}
		srv.Close()
	}
}

func TestRecoverKeepsTheConnectionReachable(t *testing.T) {
	srv := httptest.NewServer(newRecover(t, security.RecoverConfig{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("no ReadFrom")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
}

// Whichever of the stages inside comes first, the line of a panic has the request's id, and the answer too.
func TestAPanicIsLoggedWithItsId(t *testing.T) {
	clients, err := security.NewClientIP(security.ClientIPConfig{Header: "X-Forwarded-For", TrustedProxies: prefixes("10.0.0.0/8")})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := security.NewRequestID(security.RequestIDConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string]alice.Chain{
		"id, address": alice.New(ids.Wrap, clients.Wrap),
		"address, id": alice.New(clients.Wrap, ids.Wrap),
		"id":          alice.New(ids.Wrap),
	} {
		var log strings.Builder
		recovery := newRecover(t, security.RecoverConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", "r7")
		w := httptest.NewRecorder()
		recovery.Wrap(chain.ThenFunc(func(http.ResponseWriter, *http.Request) { panic("x") })).ServeHTTP(w, r)
		if !strings.Contains(log.String(), "request_id=r7 ") || !strings.Contains(w.Body.String(), `"request_id":"r7"`) {
			t.Errorf("%s: %s, %s", name, log.String(), w.Body)
		}
	}
}

func TestRecoverCostsOneAllocation(t *testing.T) {
	h := newRecover(t, security.RecoverConfig{}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func ExampleNewRecover() {
	recovery, err := security.NewRecover(security.RecoverConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := recovery.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		var items []string
		_ = items[3]
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 500 {"status":500,"title":"Internal Server Error"}
}
