package respwriter_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/respwriter"
)

func TestBeforeHeaderRunsOnceBeforeAnyWayToBegin(t *testing.T) {
	for _, row := range []struct {
		name  string
		begin func(w *respwriter.Writer)
	}{
		{"WriteHeader", func(w *respwriter.Writer) { w.WriteHeader(200) }},
		{"Write", func(w *respwriter.Writer) { _, _ = w.Write([]byte("x")) }},
		{"WriteString", func(w *respwriter.Writer) { _, _ = w.WriteString("x") }},
		{"ReadFrom", func(w *respwriter.Writer) { _, _ = w.ReadFrom(strings.NewReader("x")) }},
		{"Flush", func(w *respwriter.Writer) { w.Flush() }},
	} {
		rec := httptest.NewRecorder()
		w := respwriter.New(rec)
		calls := 0
		w.BeforeHeader = func(status int) int {
			calls++
			w.Header().Set("X-Late", "yes")
			return status + 1
		}
		row.begin(w)
		row.begin(w)
		if calls != 1 || rec.Code != 201 || w.Status() != 201 || rec.Result().Header.Get("X-Late") != "yes" {
			t.Errorf("%s: %d calls, status %d and %d, header %v", row.name, calls, rec.Code, w.Status(), rec.Header())
		}
	}
}

func TestInformationalAnswersPassAndDoNotCount(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w := respwriter.New(rw)
		w.WriteHeader(http.StatusEarlyHints)
		if w.Status() != 0 {
			t.Errorf("status after 103: %d", w.Status())
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 418 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestWrittenCountsBodyBytes(t *testing.T) {
	rec := httptest.NewRecorder()
	w := respwriter.New(rec)
	_, _ = w.Write([]byte("ab"))
	_, _ = w.WriteString("cd")
	_, _ = w.ReadFrom(strings.NewReader("efg"))
	if w.Written() != 7 || rec.Body.String() != "abcdefg" || w.Status() != 200 {
		t.Errorf("%d bytes, %q, status %d", w.Written(), rec.Body, w.Status())
	}
	w.Reset(httptest.NewRecorder())
	if w.Written() != 0 || w.Status() != 0 || w.Hijacked() {
		t.Error("Reset keeps something")
	}
}

func TestReadFromBeginsTheAnswerWithItsFirstByte(t *testing.T) {
	rec := httptest.NewRecorder()
	w := respwriter.New(rec)
	if n, err := w.ReadFrom(strings.NewReader("")); n != 0 || err != nil || w.Status() != 0 {
		t.Errorf("nothing: %d bytes, %v, status %d", n, err, w.Status())
	}
	if n, err := w.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil || w.Status() != 200 || w.Written() != 3 || rec.Body.String() != "abc" {
		t.Errorf("%d bytes, %v, status %d, %q", n, err, w.Status(), rec.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestReadFromLeavesTheAnswerOpenWhenTheSourceFailsAtOnce(t *testing.T) {
	for _, hook := range []func(int) int{nil, func(s int) int { return s }} {
		rec := httptest.NewRecorder()
		w := respwriter.New(rec)
		w.BeforeHeader = hook
		if _, err := w.ReadFrom(brokenReader{}); err == nil {
			t.Error("the error is lost")
		}
		w.WriteHeader(502)
		if rec.Code != 502 || w.Status() != 502 {
			t.Errorf("got %d and %d", rec.Code, w.Status())
		}
	}
}

func TestControllerReachesTheConnection(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w := respwriter.New(rw)
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil || !w.Hijacked() {
			t.Errorf("hijacked %v, %v", w.Hijacked(), err)
			return
		}
		defer conn.Close()
		_, _ = buf.WriteString("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		_ = buf.Flush()
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 202 {
		t.Errorf("got %d", res.StatusCode)
	}
}

// plain is a ResponseWriter that can do nothing more.
type plain struct{ h http.Header }

func (p plain) Header() http.Header       { return p.h }
func (plain) Write(b []byte) (int, error) { return len(b), nil }
func (plain) WriteHeader(int)             {}

// pushing is a plain writer that can push.
type pushing struct{ plain }

func (pushing) Push(string, *http.PushOptions) error { return io.EOF }

func TestWhatTheWrappedWriterCannotDoIsNotSupported(t *testing.T) {
	w := respwriter.New(plain{http.Header{}})
	if err := w.FlushError(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("flush: %v", err)
	}
	if _, _, err := w.Hijack(); !errors.Is(err, http.ErrNotSupported) || w.Hijacked() {
		t.Errorf("hijack: %v", err)
	}
	if err := w.Push("/x", nil); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("push: %v", err)
	}
	if err := respwriter.New(pushing{}).Push("/x", nil); !errors.Is(err, io.EOF) {
		t.Errorf("push is passed on: %v", err)
	}
	var _ http.Hijacker = w
	if w.Unwrap() == nil {
		t.Error("Unwrap")
	}
}

func TestASecondStatusIsPassedOnForNetHTTPToLog(t *testing.T) {
	statuses := []int{}
	w := respwriter.New(noting{plain{http.Header{}}, &statuses})
	w.WriteHeader(200)
	w.WriteHeader(500)
	if len(statuses) != 2 || w.Status() != 200 {
		t.Errorf("passed on %v, status %d", statuses, w.Status())
	}
}

type noting struct {
	plain
	statuses *[]int
}

func (n noting) WriteHeader(status int) { *n.statuses = append(*n.statuses, status) }
