package console_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

func ann(*http.Request) (string, error) { return "ann", nil }

// newConsole returns a console over l, for the user ann where c says nothing else.
func newConsole(tb testing.TB, l console.Ledger, c console.Config) *console.Console {
	tb.Helper()
	if c.Access == nil {
		c.Access = ann
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) //nolint:sloglint // every line is written, so that errors are spelt out
	}
	pages, err := console.New(l, c)
	if err != nil {
		tb.Fatal(err)
	}
	return pages
}

// ask sends a request with header names and values in turn.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// submit posts a form as a browser does from a page of the console.
func submit(h http.Handler, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	header = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, header...)
	return ask(h, "POST", target, form.Encode(), header...)
}

// sample is a ledger with one delivery of each status.
func sample() *ledger {
	l := &ledger{changed: 1, stats: inbox.Stats{Types: []inbox.TypeStats{{Provider: "stripe", Type: "invoice.paid", ByStatus: map[inbox.Status]int64{}}}}}
	for i, status := range inbox.Statuses() {
		l.deliveries = append(l.deliveries, delivery(int64(i+1), status))
		l.stats.Types[0].ByStatus[status] = 1
	}
	slices.Reverse(l.deliveries)
	return l
}

func delivery(id int64, status inbox.Status) inbox.Delivery {
	return inbox.Delivery{
		ID: id, Status: status, AcceptedAt: time.Now().Add(-time.Hour),
		Event: webhook.Event{Provider: "stripe", Type: "invoice.paid", ID: "evt_1", Body: []byte(`{"a":1}`), Key: webhook.NewKey("stripe", []byte("evt_1"))},
	}
}

// text is the text of a page, and a list of what must not be in one.
func inspect(t *testing.T, name string, page []byte) (text string) {
	t.Helper()
	var out strings.Builder
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.String()
		case html.TextToken:
			out.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			src := ""
			for _, a := range tag.Attr {
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc", a.Key == "formaction":
					t.Errorf("%s: <%s> has an attribute %s", name, tag.Data, a.Key)
				case a.Key == "href", a.Key == "src", a.Key == "action":
					if src = a.Val; !strings.HasPrefix(src, "./") && !strings.HasPrefix(src, "../") && src != "#main" {
						t.Errorf("%s: <%s> leads to %q", name, tag.Data, a.Val)
					}
				}
			}
			if tag.Data == "script" && !strings.HasSuffix(src, "/console.js") || slices.Contains([]string{"iframe", "object", "embed", "base", "style", "img", "template"}, tag.Data) {
				t.Errorf("%s: the page has a <%s> %v", name, tag.Data, tag.Attr)
			}
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	c, err := console.New(nil, console.Config{Prefix: "console/", HideFields: []string{"ok", "", "/"}, HideHeaders: []string{""}, MaxShown: 12})
	if c != nil || err == nil {
		t.Fatal("a console without access control")
	}
	want := "console: Ledger must not be nil\n" +
		"console: Access must say who may see the console\n" +
		"console: Prefix = \"console/\" must begin with a slash, and not end in one\n" +
		"console: MaxShown = 12 must be 1 KiB to 16 MiB\n" +
		"console: HideFields[1] = \"\" must be a name, or a JSON Pointer\n" +
		"console: HideFields[2] = \"/\" must be a name, or a JSON Pointer\n" +
		"console: HideHeaders[0] must not be empty"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if _, err := console.New(&ledger{}, console.Config{Access: ann}); err != nil {
		t.Errorf("the least that is needed: %v", err)
	}
}

// coded is an application's own error.
type coded int

func (coded) Error() string     { return "the directory says <b>no</b>" }
func (c coded) StatusCode() int { return int(c) }

func TestAccess(t *testing.T) {
	for _, row := range []struct {
		name string
		user string
		err  error
		want int
	}{
		{"a user", "ann", nil, 200},
		{"an error without a status", "ann", errors.New("no"), 403},
		{"an error that asks for 401", "", coded(401), 401},
		{"an error that asks for 503", "", coded(503), 503},
		{"an error with a status that is none", "", coded(200), 500},
		{"a user without a name", "", nil, 403},
	} {
		var log bytes.Buffer
		l := sample()
		c := newConsole(t, l, console.Config{
			Access: func(*http.Request) (string, error) { return row.user, row.err },
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		for _, path := range []string{"/", "/deliveries", "/deliveries/1", "/console.css", "/console.js", "/events", "/nothing"} {
			if row.want == 200 && path != "/" {
				break
			}
			w := ask(c, "GET", path, "")
			if w.Code != row.want {
				t.Errorf("%s, %s: got %d", row.name, path, w.Code)
			}
			text := inspect(t, row.name, w.Body.Bytes())
			if strings.Contains(w.Body.String(), "directory") || row.want != 200 && strings.Contains(text, "stripe") {
				t.Errorf("%s: the answer says %q", row.name, text)
			}
		}
		if row.err != nil && !strings.Contains(log.String(), row.err.Error()[:2]) {
			t.Errorf("%s: the cause is not in the log: %s", row.name, log.String())
		}
		if w := submit(c, "/deliveries/6/replay", url.Values{"why": {"x"}}); row.want != 200 && (w.Code != row.want || len(l.decided()) != 0) {
			t.Errorf("%s: a POST got %d", row.name, w.Code)
		}
	}
}

func TestHeaderOfEveryAnswer(t *testing.T) {
	c := newConsole(t, sample(), console.Config{})
	for _, row := range []struct {
		method, path string
		want         int
		referrer     string
	}{
		{"GET", "/", 200, "same-origin"}, // its forms must send their origin
		{"GET", "/deliveries", 200, "same-origin"},
		{"GET", "/console.css", 200, "no-referrer"},
		{"GET", "/nothing", 404, "no-referrer"},
		{"POST", "/deliveries/6/replay", 415, "no-referrer"},
		{"OPTIONS", "/", 204, "no-referrer"},
		{"DELETE", "/", 405, "no-referrer"},
	} {
		w := ask(c, row.method, row.path, "")
		if w.Code != row.want {
			t.Errorf("%s %s: got %d", row.method, row.path, w.Code)
		}
		for name, want := range map[string]string{
			"Cache-Control":                "no-store",
			"Content-Security-Policy":      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              row.referrer,
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: %s is %q", row.method, row.path, name, got)
			}
		}
	}
}

func TestMethods(t *testing.T) {
	c := newConsole(t, sample(), console.Config{})
	for _, row := range []struct {
		name, method, path string
		want               int
		allow              string
	}{
		{"a page", "GET", "/", 200, ""},
		{"the header of a page", "HEAD", "/", 200, ""},
		{"the header of a delivery", "HEAD", "/deliveries/3", 200, ""},
		{"the header of a file", "HEAD", "/console.css", 200, ""},
		{"the header of an error", "HEAD", "/deliveries/99", 404, ""},
		{"what a page allows", "OPTIONS", "/deliveries", 204, "GET, HEAD, OPTIONS"},
		{"what a decision allows", "OPTIONS", "/deliveries/1/replay", 204, "OPTIONS, POST"},
		{"what a decision about many allows", "OPTIONS", "/replay", 204, "GET, HEAD, OPTIONS, POST"},
		{"a POST to a page", "POST", "/deliveries", 405, "GET, HEAD, OPTIONS"},
		{"a decision by GET", "GET", "/deliveries/1/replay", 405, "OPTIONS, POST"},
		{"a pause by GET", "GET", "/pause", 405, "OPTIONS, POST"},
		{"a decision by HEAD", "HEAD", "/deliveries/1/discard", 405, "OPTIONS, POST"},
		{"PUT", "PUT", "/deliveries/1", 405, "GET, HEAD, OPTIONS"},
		{"DELETE", "DELETE", "/deliveries/1", 405, "GET, HEAD, OPTIONS"},
		{"TRACE", "TRACE", "/", 405, "GET, HEAD, OPTIONS"},
		{"a method in lower case", "get", "/", 405, "GET, HEAD, OPTIONS"},
		{"a method that nobody knows", "BREW", "/replay", 405, "GET, HEAD, OPTIONS, POST"},
	} {
		w := ask(c, row.method, row.path, "")
		if w.Code != row.want || w.Header().Get("Allow") != row.allow {
			t.Errorf("%s: got %d, Allow %q", row.name, w.Code, w.Header().Get("Allow"))
		}
		if row.method == "HEAD" && (w.Body.Len() != 0 || w.Header().Get("Content-Length") == "") {
			t.Errorf("%s: %d bytes, Content-Length %q", row.name, w.Body.Len(), w.Header().Get("Content-Length"))
		}
	}
}

// GET changes nothing, whatever its query says.
func TestGetDecidesNothing(t *testing.T) {
	l := sample()
	c := newConsole(t, l, console.Config{})
	for _, path := range []string{"/", "/deliveries", "/dead", "/deliveries/6", "/deliveries/6/replay", "/replay", "/discard", "/pause", "/resume"} {
		ask(c, "GET", path+"?why=x&provider=stripe&type=t&status=dead&to=2026-01-01&again=yes&_method=POST", "", "X-HTTP-Method-Override", "POST")
	}
	if decided := l.decided(); len(decided) != 0 {
		t.Errorf("GET decided %q", decided)
	}
}
