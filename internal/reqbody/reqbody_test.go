package reqbody_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

var limits = reqbody.Limits{Max: 1 << 20, Timeout: 5 * time.Second}

func TestReadReturnsTheExactBytes(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000, 1 << 20} {
		want := bytes.Repeat([]byte{0, 1, 2, 250, '\r', '\n'}, size/6+1)[:size]
		for _, declared := range []bool{true, false} {
			for _, rate := range []int64{0, 1} {
				r := httptest.NewRequest("POST", "/", bytes.NewReader(want))
				if !declared {
					r = httptest.NewRequest("POST", "/", io.MultiReader(bytes.NewReader(want)))
				}
				l := limits
				l.MinRate, l.Grace = rate, time.Minute
				got, err := reqbody.Read(httptest.NewRecorder(), r, l)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, declared %v, rate %d: got %d bytes, %v", size, declared, rate, len(got), err)
				}
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadRefuses(t *testing.T) {
	small := reqbody.Limits{Max: 10, Timeout: time.Second}
	declaredOnly := httptest.NewRequest("POST", "/", failing{errors.New("read before the length was judged")})
	declaredOnly.ContentLength = 11
	capped := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("123456")))
	capped.Body = http.MaxBytesReader(httptest.NewRecorder(), capped.Body, 5)
	for _, row := range []struct {
		name string
		r    *http.Request
		want error
		code int
	}{
		{"a declared length above the cap, before reading", declaredOnly, reqbody.ErrTooLarge, 413},
		{"an undeclared body above the cap", httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("12345678901"))), reqbody.ErrTooLarge, 413},
		{"a smaller cap set around us", capped, reqbody.ErrTooLarge, 413},
		{"a body cut short", httptest.NewRequest("POST", "/", failing{io.ErrUnexpectedEOF}), reqbody.ErrIncomplete, 400},
	} {
		got, err := reqbody.Read(httptest.NewRecorder(), row.r, small)
		if got != nil || !errors.Is(err, row.want) || refusal.Status(err) != row.code {
			t.Errorf("%s: got %d bytes, %v", row.name, len(got), err)
		}
	}
	if _, err := reqbody.Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", failing{io.ErrUnexpectedEOF}), small); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the cause is kept for the log: got %v", err)
	}
}

func TestReadDoesNotTrustADeclaredLengthWithMemory(t *testing.T) {
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			r := httptest.NewRequest("POST", "/", failing{io.ErrUnexpectedEOF})
			r.ContentLength = 1 << 30
			_, _ = reqbody.Read(httptest.NewRecorder(), r, reqbody.Limits{Max: 1 << 40, Timeout: time.Second})
		}
	})
	if n := result.AllocedBytesPerOp(); n > 256<<10 {
		t.Errorf("a declared gigabyte set aside %d bytes", n)
	}
}

// A real connection: the deadline must turn into a 408 that the client sees.
func TestReadAnswersASlowBodyWith408(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		limits reqbody.Limits
		header string
		drip   time.Duration // between bytes; zero sends nothing after the header
		want   int
	}{
		{"nothing comes", reqbody.Limits{Max: 100, Timeout: 50 * time.Millisecond}, "Content-Length: 10", 0, 408},
		{"chunked, nothing comes", reqbody.Limits{Max: 100, Timeout: 50 * time.Millisecond}, "Transfer-Encoding: chunked", 0, 408},
		{"a drip below the rate", reqbody.Limits{Max: 100, Timeout: time.Minute, MinRate: 1000, Grace: 50 * time.Millisecond}, "Content-Length: 100", 10 * time.Millisecond, 408},
		{"a drip above the rate", reqbody.Limits{Max: 100, Timeout: time.Minute, MinRate: 1, Grace: 10 * time.Second}, "Content-Length: 10", time.Millisecond, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := reqbody.Read(w, r, row.limits); err != nil {
					problem.Error(w, r, err)
				}
			}))
			defer srv.Close()
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", row.header)
			stop := make(chan struct{})
			defer close(stop)
			if row.drip > 0 {
				go func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(row.drip):
							if _, err := conn.Write([]byte{'x'}); err != nil {
								return
							}
						}
					}
				}()
			}
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != row.want {
				t.Errorf("got %d, want %d", res.StatusCode, row.want)
			}
		})
	}
}

// After Read the deadline is gone: a handler that works longer than the limit keeps its context.
func TestReadClearsItsDeadline(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := reqbody.Read(w, r, reqbody.Limits{Max: 100, Timeout: 30 * time.Millisecond}); err != nil {
			problem.Error(w, r, err)
			return
		}
		select {
		case <-r.Context().Done():
			w.WriteHeader(500)
		case <-time.After(100 * time.Millisecond):
		}
	}))
	defer srv.Close()
	res, err := http.Post(srv.URL, "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// withDeadline is a writer that takes a read deadline, as net/http's own does.
type withDeadline struct{ http.ResponseWriter }

func (withDeadline) SetReadDeadline(time.Time) error { return nil }

func TestReadAllocatesTheBodyOnly(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1024)
	src := bytes.NewReader(body)
	r := httptest.NewRequest("POST", "/", src)
	var w http.ResponseWriter = withDeadline{httptest.NewRecorder()}
	n := testing.AllocsPerRun(100, func() {
		src.Reset(body)
		if got, err := reqbody.Read(w, r, limits); err != nil || len(got) != 1024 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
	if n > 2 { // the body and the response controller
		t.Errorf("allocations: %v", n)
	}
}

// dripping gives one byte a tick, on a connection whose deadline nobody watches.
type dripping struct{ tick time.Duration }

func (d dripping) Read(p []byte) (int, error) {
	time.Sleep(d.tick)
	p[0] = 'x'
	return 1, nil
}

func TestReadBoundsTheTimeWithoutADeadlineToSet(t *testing.T) {
	for _, row := range []struct {
		name   string
		limits reqbody.Limits
		after  time.Duration
	}{
		{"by the rate", reqbody.Limits{Max: 1000, Timeout: time.Hour, MinRate: 10, Grace: 2 * time.Second}, 3 * time.Second},
		{"by the timeout, though the rate is held", reqbody.Limits{Max: 1000, Timeout: 10 * time.Second, MinRate: 1, Grace: 2 * time.Second}, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := httptest.NewRequest("POST", "/", dripping{500 * time.Millisecond})
			_, err := reqbody.Read(httptest.NewRecorder(), r, row.limits)
			if took := time.Since(start); !errors.Is(err, reqbody.ErrTimeout) || took > row.after {
				t.Errorf("%s: %v after %v", row.name, err, took)
			}
		})
	}
}

func TestReadErrorSaysWhatHappened(t *testing.T) {
	_, err := reqbody.Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", failing{errors.New("reset by peer")}), limits)
	if got := err.Error(); got != "request body ended early or is malformed: reset by peer" {
		t.Errorf("got %q", got)
	}
}
