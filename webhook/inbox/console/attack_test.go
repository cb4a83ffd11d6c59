package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// scripts are ways to get a script, a style or a link into a page.
var scripts = []string{
	`<script>alert(1)</script>`,
	`"><script>alert(1)</script>`,
	`'><img src=x onerror=alert(1)>`,
	`</textarea></title></style></pre><svg onload=alert(1)>`,
	`" autofocus onfocus="alert(1)`,
	`" style="position:fixed`,
	`javascript:alert(1)`,
	`//elsewhere.example/`,
	"\u2028</script><script>alert(1)</script>",
	`{{.}}${7*7}<!--`,
}

// Whatever an outsider can write is text in every page.
func TestNothingThatAnOutsiderWritesIsMarkup(t *testing.T) {
	for _, evil := range scripts {
		l := &ledger{
			deliveries: []inbox.Delivery{{
				ID: 7, Status: inbox.Dead, Error: evil, OrderKey: evil, AcceptedAt: time.Now(), DueAt: time.Now(),
				Event: webhook.Event{
					Provider: evil, Type: evil, ID: evil, Method: evil, Body: []byte(evil), Query: url.Values{evil: {evil}}, Proof: webhook.Proof{KeyID: evil},
					Header: http.Header{evil: {evil}, "Content-Type": {evil}}, SignedHeaders: []string{evil},
				},
			}},
			attempts: []inbox.Attempt{
				{Number: 1, Result: inbox.Result(evil), Error: evil, Stack: evil, At: time.Now()},
				{By: evil, Error: evil, Result: inbox.ResultReplayed, At: time.Now()},
			},
			stats: inbox.Stats{
				Types:  []inbox.TypeStats{{Provider: evil, Type: evil, ByStatus: map[inbox.Status]int64{inbox.Dead: 3}}},
				Paused: []inbox.PausedType{{Provider: evil, Type: evil, Since: time.Now(), Reason: inbox.Reason{By: evil, Why: evil}}},
			},
			more: 3,
		}
		c := newConsole(t, l, console.Config{Title: evil, Access: func(*http.Request) (string, error) { return evil, nil }})
		bodies := map[string]string{
			"text": evil, "JSON": fmt.Sprintf(`{%q:[%q]}`, evil, evil), "form": url.Values{evil: {evil}, "payload": {fmt.Sprintf(`{%q:%q}`, evil, evil)}}.Encode(),
		}
		for kind, body := range bodies {
			l.deliveries[0].Event.Body = []byte(body)
			l.deliveries[0].Event.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
			w := ask(c, "GET", "/deliveries/7", "")
			text := inspect(t, kind+" body "+evil, w.Body.Bytes())
			if w.Code != 200 || evil == scripts[0] && !strings.Contains(text, "<script>alert(1)") {
				t.Errorf("a %s body: %d, %s", kind, w.Code, text)
			}
		}
		q := "?" + url.Values{"provider": {evil}, "type": {evil}, "id": {evil}}.Encode()
		for _, path := range []string{"/", "/deliveries" + q, "/dead" + q, "/deliveries/7" + q, "/replay" + q, "/discard" + q, "/?notice=" + url.QueryEscape(evil) + "&n=1"} {
			w := ask(c, "GET", path, "")
			if w.Code != 200 {
				t.Errorf("%s: got %d", path, w.Code)
			}
			inspect(t, path, w.Body.Bytes())
		}
		for _, path := range []string{"/deliveries?status=" + url.QueryEscape(evil), "/?span=" + url.QueryEscape(evil), "/deliveries?from=" + url.QueryEscape(evil), "/" + url.PathEscape(evil)} {
			w := ask(c, "GET", path, "")
			if w.Code != 400 && w.Code != 404 {
				t.Errorf("%s: got %d", path, w.Code)
			}
			inspect(t, path, w.Body.Bytes())
		}
	}
}

// Text that hides or turns around what stands beside it is spelt out.
func TestOddCharactersAreSpeltOut(t *testing.T) {
	l := sample()
	l.deliveries[0].Event.ID = "evt\u202egpj.exe\x00\x1b[31m\u200b\xff é日本"
	l.stats.Types[0].Provider, l.stats.Types[0].Type = "p\u202e", "t\u202e"+strings.Repeat("x", 1000)
	overview := inspect(t, "overview", ask(newConsole(t, l, console.Config{}), "GET", "/", "").Body.Bytes())
	if !strings.Contains(overview, `p\u{202e} t\u{202e}xxx`) || strings.Contains(overview, "\u202e") || strings.Contains(overview, strings.Repeat("x", 300)) {
		t.Errorf("the overview: %q", overview)
	}
	l.stats.Types = nil
	l.deliveries[0].Error = "line one\r\nline two\ttab\u2066"
	c := newConsole(t, l, console.Config{})
	for _, path := range []string{"/deliveries", "/deliveries/7"} {
		text := ask(c, "GET", path, "").Body.String()
		if !strings.Contains(text, `evt\u{202e}gpj.exe\x00\x1b[31m\u{200b}\xff é日本`) || strings.ContainsAny(text, "\u202e\x00\x1b\u200b\u2066") {
			t.Errorf("%s: %q", path, text)
		}
	}
	if text := ask(c, "GET", "/deliveries/7", "").Body.String(); strings.Contains(text, `line one\x0d`) {
		t.Error("a line end is spelt out where text has lines")
	}
}

// A form of another site changes nothing, whatever credentials the browser adds.
func TestPostsFromElsewhereAreRefused(t *testing.T) {
	l := sample()
	c := newConsole(t, l, console.Config{})
	for _, row := range []struct {
		name   string
		header []string
		want   int
	}{
		{"a form of this page", []string{"Sec-Fetch-Site", "same-origin"}, 303},
		{"an old browser says its origin", []string{"Origin", "http://example.com"}, 303},
		{"a tool that is no browser", nil, 303},
		{"a form of another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example"}, 403},
		{"a form of a subdomain", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://sub.example.com"}, 403},
		{"an old browser on another site", []string{"Origin", "https://elsewhere.example"}, 403},
		{"a frame without an origin", []string{"Origin", "null"}, 403},
		{"another site that claims our origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://example.com"}, 403},
	} {
		for _, post := range []struct {
			path string
			form url.Values
		}{
			{"/deliveries/6/replay", url.Values{"why": {"x"}}},
			{"/deliveries/6/discard", url.Values{"why": {"x"}}},
			{"/pause", url.Values{"why": {"x"}, "provider": {"p"}}},
			{"/resume", url.Values{"provider": {"p"}}},
			{"/replay", url.Values{"why": {"x"}, "status": {"dead"}, "to": {"2026-01-01"}}},
			{"/discard", url.Values{"why": {"x"}, "status": {"dead"}, "to": {"2026-01-01"}}},
		} {
			w := ask(c, "POST", post.path, post.form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, row.header...)...)
			if decided := l.decided(); w.Code != row.want || (len(decided) == 1) != (row.want == 303) {
				t.Errorf("%s, %s: got %d, decided %q", row.name, post.path, w.Code, decided)
			}
		}
	}
}

func TestPathsHaveOneForm(t *testing.T) {
	c := newConsole(t, sample(), console.Config{})
	for _, path := range []string{
		"/deliveries/", "/deliveries//", "//deliveries", "/deliveries/01", "/deliveries/+1", "/deliveries/-1", "/deliveries/0", "/deliveries/1/", "/deliveries/1/replay/",
		"/deliveries/99999999999999999999", "/deliveries/1.0", "/deliveries/1%2freplay", "/deliveries%2F1", "/deliveries/%31", "/./deliveries", "/deliveries/../deliveries",
		"/deliveries/1;a=b", "/console.css/", "/static/console.css", "/templates/layout.html", "/..%2fgo.mod", "/%2e%2e/go.mod", "/deliveries\\1", "/DELIVERIES", "/deliveries/1/delete",
		"/" + strings.Repeat("a/", 2000),
	} {
		w := ask(c, "GET", path, "")
		if w.Code != 404 {
			t.Errorf("%.40s: got %d", path, w.Code)
		}
		inspect(t, path, w.Body.Bytes())
		if w.Body.Len() > 64<<10 {
			t.Errorf("%.40s: an answer of %d bytes", path, w.Body.Len())
		}
	}
}

// No field of a request reaches the header of an answer, and no redirect leaves the console.
func TestRedirectsStayInside(t *testing.T) {
	c := newConsole(t, sample(), console.Config{})
	hostile := "//elsewhere.example/\r\nSet-Cookie: a=b"
	q := "?" + url.Values{"provider": {hostile}, "back": {"https://elsewhere.example"}, "next": {"//elsewhere.example"}, "id": {"\r\nX: y"}}.Encode()
	for _, path := range []string{"/deliveries/6/replay" + q, "/deliveries/6/discard" + q} {
		w := submit(c, path, url.Values{"why": {"x"}, "back": {"https://elsewhere.example"}}, "Referer", "https://elsewhere.example/", "Host", "elsewhere.example", "X-Forwarded-Host", "elsewhere.example")
		location := w.Header().Get("Location")
		u, err := url.Parse(location)
		if err != nil || w.Code != 303 || u.Host != "" || u.Scheme != "" || u.Path != "../../deliveries/6" || strings.ContainsAny(location, "\r\n") || u.Query().Get("back") != "" {
			t.Errorf("%s: %d, Location %q", path, w.Code, location)
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Error("a header field was injected")
		}
	}
}

func TestForms(t *testing.T) {
	l := sample()
	c := newConsole(t, l, console.Config{})
	good := url.Values{"why": {"because"}}
	for _, row := range []struct {
		name, path, contentType, body string
		want                          int
		says                          string
	}{
		{"a reason", "/deliveries/6/replay", "application/x-www-form-urlencoded; charset=utf-8", good.Encode(), 303, ""},
		{"no reason", "/deliveries/6/replay", "application/x-www-form-urlencoded", "", 400, "Say why"},
		{"a reason of spaces", "/deliveries/6/replay", "application/x-www-form-urlencoded", "why=+%09+", 400, "Say why"},
		{"a reason in the query alone", "/deliveries/6/replay?why=x", "application/x-www-form-urlencoded", "", 400, "Say why"},
		{"a long reason", "/deliveries/6/replay", "application/x-www-form-urlencoded", "why=" + strings.Repeat("é", 501), 400, "longer than 500"},
		{"a huge form", "/deliveries/6/replay", "application/x-www-form-urlencoded", "why=" + strings.Repeat("a", 70_000), 413, "too large"},
		{"JSON", "/deliveries/6/replay", "application/json", `{"why":"x"}`, 415, "forms only"},
		{"text, as forms of other sites may send it", "/deliveries/6/replay", "text/plain", "why=x", 415, "forms only"},
		{"multipart", "/deliveries/6/replay", "multipart/form-data; boundary=x", "--x--", 415, "forms only"},
		{"no content type", "/deliveries/6/replay", "", "why=x", 415, "forms only"},
		{"a form that is broken", "/deliveries/6/replay", "application/x-www-form-urlencoded", "why=%zz", 400, "cannot be read"},
		{"a filter that is none", "/deliveries/6/replay?before=x", "application/x-www-form-urlencoded", good.Encode(), 400, "page is none"},
		{"discard without a reason", "/deliveries/6/discard", "application/x-www-form-urlencoded", "", 400, "Say why"},
		{"a pause of no type", "/pause", "application/x-www-form-urlencoded", "why=x", 400, "names no type"},
		{"a pause without a reason", "/pause", "application/x-www-form-urlencoded", "provider=p&type=t", 400, "Say why"},
		{"a pause as JSON", "/pause", "application/json", "{}", 415, "forms only"},
		{"a resume of no type", "/resume", "application/x-www-form-urlencoded", "type=t", 400, "names no type"},
		{"a resume as JSON", "/resume", "application/json", "{}", 415, "forms only"},
		{"a resume of a very long type", "/resume", "application/x-www-form-urlencoded", "provider=p&type=" + strings.Repeat("t", 600), 400, "names no type"},
		{"many without a reason", "/replay", "application/x-www-form-urlencoded", "status=dead&to=2026-01-01", 400, "Say why"},
		{"many as JSON", "/replay", "application/json", "{}", 415, "forms only"},
		{"many without an end", "/replay", "application/x-www-form-urlencoded", "why=x&status=dead", 400, "not complete"},
		{"many by the query alone", "/discard?status=dead&to=2026-01-01", "application/x-www-form-urlencoded", "why=x", 400, "not complete"},
		{"many with a status that is none", "/replay", "application/x-www-form-urlencoded", "why=x&status=x&to=2026-01-01", 400, "no such status"},
		{"what is done already, without a word about that", "/replay", "application/x-www-form-urlencoded", "why=x&provider=p&to=2026-01-01", 400, "handled again"},
	} {
		w := ask(c, "POST", row.path, row.body, "Content-Type", row.contentType, "Sec-Fetch-Site", "same-origin")
		text := inspect(t, row.name, w.Body.Bytes())
		if w.Code != row.want || !strings.Contains(text, row.says) {
			t.Errorf("%s: got %d, %q", row.name, w.Code, text)
		}
		if decided := l.decided(); (len(decided) == 1) != (row.want == 303) {
			t.Errorf("%s: decided %q", row.name, decided)
		}
	}
}

// The cause of a failure is not for the page.
func TestFailuresOfTheLedgerKeepTheirCause(t *testing.T) {
	secret := errors.New("dial tcp 10.1.2.3:5432: password=hunter2")
	for _, row := range []struct {
		name   string
		err    error
		want   int
		says   string
		method string
	}{
		{"the database is away", secret, 503, "cannot be reached", ""},
		{"counters cannot be read", secret, 503, "cannot be reached", "Stats"},
		{"rates cannot be read", secret, 503, "cannot be reached", "Activity"},
		{"a delivery is gone", fmt.Errorf("%w: %w", inbox.ErrNotFound, secret), 404, "no delivery with this number", "Get"},
		{"a status has changed", fmt.Errorf("%w: %w", inbox.ErrStatus, secret), 409, "has changed since", "Replay"},
		{"a body is gone", fmt.Errorf("%w: %w", inbox.ErrPurged, secret), 410, "was removed", "Replay"},
		{"a selection is wrong", fmt.Errorf("%w: %w", inbox.ErrSelection, secret), 400, "incomplete", "Discard"},
		{"a pause fails", secret, 503, "cannot be reached", "Pause"},
		{"a resume fails", secret, 503, "cannot be reached", "Resume"},
	} {
		l := sample()
		l.err, l.fails, l.changed = row.err, row.method, 0
		c := newConsole(t, l, console.Config{})
		refused := 0
		for _, send := range []func() (int, []byte){
			func() (int, []byte) { w := ask(c, "GET", "/", ""); return w.Code, w.Body.Bytes() },
			func() (int, []byte) { w := ask(c, "GET", "/deliveries", ""); return w.Code, w.Body.Bytes() },
			func() (int, []byte) { w := ask(c, "GET", "/deliveries/6", ""); return w.Code, w.Body.Bytes() },
			func() (int, []byte) { w := ask(c, "GET", "/replay?status=dead", ""); return w.Code, w.Body.Bytes() },
			func() (int, []byte) {
				w := submit(c, "/deliveries/6/replay", url.Values{"why": {"x"}})
				return w.Code, w.Body.Bytes()
			},
			func() (int, []byte) {
				w := submit(c, "/discard", url.Values{"why": {"x"}, "status": {"dead"}, "to": {"2026-01-01"}})
				return w.Code, w.Body.Bytes()
			},
			func() (int, []byte) {
				w := submit(c, "/pause", url.Values{"why": {"x"}, "provider": {"p"}})
				return w.Code, w.Body.Bytes()
			},
			func() (int, []byte) {
				w := submit(c, "/resume", url.Values{"provider": {"p"}})
				return w.Code, w.Body.Bytes()
			},
		} {
			code, page := send()
			text := inspect(t, row.name, page)
			if strings.Contains(string(page), "hunter2") || strings.Contains(string(page), "10.1.2.3") {
				t.Errorf("%s: the page says %q", row.name, text)
			}
			if code == row.want && strings.Contains(text, row.says) && strings.Contains(text, "To the overview") {
				refused++
			} else if code != 200 && code != 303 {
				t.Errorf("%s: got %d, %q", row.name, code, text)
			}
		}
		if refused == 0 {
			t.Errorf("%s: nothing was answered %d", row.name, row.want)
		}
	}
}
