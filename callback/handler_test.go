package callback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/testbrowser"
)

// logTo returns a logger that writes into the builder.
func logTo(b *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

type user struct {
	Name string `json:"name"`
}

// tickets is a third party whose tickets work once.
type tickets struct {
	mu       sync.Mutex
	good     map[string]string
	redeemed atomic.Int32
}

func (t *tickets) redeem(_ context.Context, ticket string) (user, error) {
	t.redeemed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.good[ticket]
	if !ok {
		return user{}, callback.ErrTicketInvalid
	}
	delete(t.good, ticket)
	return user{name}, nil
}

func config(tb testing.TB, third *tickets) callback.Config[user] {
	tb.Helper()
	return callback.Config[user]{
		Redeem:   third.redeem,
		ReturnTo: returnTo(tb, "https://app.example.com"),
		Keys:     keyring(tb, secret(1)),
		Retry:    "/login",
		Home:     "/home",
		Logger:   logTo(new(strings.Builder)),
	}
}

// site is an application: /login begins, /callback takes the return, / is protected.
func site(t *testing.T, c callback.Config[user]) *testbrowser.Browser {
	t.Helper()
	h, err := callback.New(c)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		params, err := h.Start(w, r)
		if err != nil {
			h.Refuse(w, r, err)
			return
		}
		_, _ = w.Write([]byte(params.Encode()))
	})
	mux.Handle("/callback", h)
	mux.Handle("/", h.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := callback.SessionFrom[user](r.Context())
		again, err := h.Session(r)
		fmt.Fprintf(w, "signed in as %s, %v, %v", u.Name, again == u, err)
	})))
	return testbrowser.Serve(t, mux)
}

// begin starts a flow and returns the callback URL for ticket.
func begin(tb testing.TB, b *testbrowser.Browser, login, ticket string) string {
	tb.Helper()
	got := b.Open(login)
	params, err := url.ParseQuery(got.Text)
	if err != nil || got.StatusCode != 200 {
		tb.Fatalf("%s: %d %s", login, got.StatusCode, got.Text)
	}
	params.Set("session_token", ticket)
	return "/callback?" + params.Encode()
}

func TestReturnSignsIn(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana"}}
	b := site(t, config(t, third))
	if got := b.Open("/inbox?a=1"); got.StatusCode != 303 || got.Header.Get("Location") != "/login?redirect_url=%2Finbox%3Fa%3D1" {
		t.Fatalf("not signed in: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	got := b.Open(begin(t, b, "/login?redirect_url=%2Finbox%3Fa%3D1", "t-1"))
	for name, want := range map[string]string{"Location": "/inbox?a=1", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.StatusCode != 303 || got.Text != "" {
		t.Errorf("answer: %d %q", got.StatusCode, got.Text)
	}
	session := ""
	for _, line := range got.Header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-session=") {
			session = line
		}
	}
	if !strings.HasSuffix(session, "; Path=/; Max-Age=43199; HttpOnly; Secure; SameSite=Lax") && !strings.HasSuffix(session, "; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("session cookie: %s", session)
	}
	if got := b.Open(got.Header.Get("Location")); got.StatusCode != 200 || got.Text != "signed in as Ana, true, <nil>" {
		t.Errorf("then: %d %s", got.StatusCode, got.Text)
	}
	if names := b.Cookies(); len(names) != 1 {
		t.Errorf("the flow's cookie is still there: %v", names)
	}
}

func TestReturnIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(path string) string // of a good callback URL with target /inbox
		status int
		words  string // of the page
		retry  string // "" for none
	}{
		{"without anything", func(string) string { return "/callback" }, 400, "not complete", "/login"},
		{"without ticket", func(p string) string { return strings.Replace(p, "session_token=good", "x=y", 1) }, 400, "not complete", "/login?redirect_url=%2Finbox"},
		{"with an empty ticket", func(p string) string { return strings.Replace(p, "session_token=good", "session_token=", 1) }, 400, "not complete", "/login?redirect_url=%2Finbox"},
		{"with an unknown ticket", func(p string) string { return strings.Replace(p, "=good", "=forged", 1) }, 400, "not valid", "/login?redirect_url=%2Finbox"},
		{"with a ticket of 4097 bytes", func(p string) string { return strings.Replace(p, "=good", "="+strings.Repeat("a", 4097), 1) }, 400, "not valid", "/login?redirect_url=%2Finbox"},
		{"with two tickets", func(p string) string { return p + "&session_token=good" }, 400, "damaged", "/login"},
		{"with two states", func(p string) string { return p + "&state=x" }, 400, "damaged", "/login"},
		{"with two targets", func(p string) string { return p + "&redirect_url=/" }, 400, "damaged", "/login"},
		{"with a malformed query", func(p string) string { return p + "&a=%zz" }, 400, "damaged", "/login"},
		{"with a semicolon in the query", func(p string) string { return p + ";a=b" }, 400, "damaged", "/login"},
		{"without state", func(string) string { return "/callback?session_token=good&redirect_url=/inbox" }, 403, "did not begin here", "/login?redirect_url=%2Finbox"},
		{"with a forged state", func(string) string {
			return "/callback?session_token=good&redirect_url=/inbox&state=AAAAAAAAAAAAAAAAAAAAAA"
		}, 403, "did not begin here", "/login?redirect_url=%2Finbox"},
		{"with a state that is none", func(string) string { return "/callback?session_token=good&redirect_url=/inbox&state=x" }, 403, "did not begin here", "/login?redirect_url=%2Finbox"},
		{"to another host", func(p string) string {
			return strings.Replace(p, "redirect_url=%2Finbox", "redirect_url=//evil.example", 1)
		}, 400, "does not lead back", "/login?redirect_url=%2Finbox"},
		{"to a script", func(p string) string {
			return strings.Replace(p, "redirect_url=%2Finbox", "redirect_url=javascript:alert(1)", 1)
		}, 400, "does not lead back", "/login?redirect_url=%2Finbox"},
		{"because the person cancelled", func(p string) string { return strings.Replace(p, "session_token=good", "error=access_denied", 1) }, 403, "said no", "/login?redirect_url=%2Finbox"},
		{"with an error and a ticket", func(p string) string { return p + "&error=access_denied" }, 403, "said no", "/login?redirect_url=%2Finbox"},
		{"with markup", func(string) string { return "/callback?session_token=<script>&error=<script>&state=<script>" }, 403, "did not begin here", "/login"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			third := &tickets{good: map[string]string{"good": "Ana"}}
			var log strings.Builder
			c := config(t, third)
			c.Logger = logTo(&log)
			b := site(t, c)
			path := tt.change(begin(t, b, "/login?redirect_url=/inbox", "good"))
			got := b.Open(path)
			if got.StatusCode != tt.status || got.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.Text, tt.words) {
				t.Errorf("%d %s\n%s", got.StatusCode, got.Header.Get("Content-Type"), got.Text)
			}
			link := `<a href="` + tt.retry + `">Begin again</a>`
			if !strings.Contains(got.Text, link) {
				t.Errorf("%s is not in\n%s", link, got.Text)
			}
			if got.Header.Get("Location") != "" || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("header: %v", got.Header)
			}
			if strings.Contains(got.Text, "<script") || strings.Contains(got.Text, "evil") {
				t.Errorf("the page repeats the request:\n%s", got.Text)
			}
			if b.Cookies()["__Host-session"] != "" {
				t.Error("there is a session")
			}
			if n := third.redeemed.Load(); n > 0 && tt.name != "with an unknown ticket" {
				t.Errorf("the ticket was redeemed %d times", n)
			}
			fetched := b.Send(b.Request("GET", path, "", "Accept", "application/json", "Sec-Fetch-Mode", "cors"))
			var problem struct{ Status int }
			if err := json.Unmarshal([]byte(fetched.Text), &problem); err != nil || problem.Status != tt.status || fetched.StatusCode != tt.status || fetched.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("fetched: %d %s %s", fetched.StatusCode, fetched.Header.Get("Content-Type"), fetched.Text)
			}
			for _, secret := range []string{"good", "forged", "AAAAAAAA"} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("%s is in the log:\n%s", secret, log.String())
				}
			}
			if !strings.Contains(log.String(), "callback refused") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func TestReturnWorksOnce(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana"}}
	b := site(t, config(t, third))
	path := begin(t, b, "/login", "t-1")
	if got := b.Open(path); got.StatusCode != 303 || got.Header.Get("Location") != "/home" {
		t.Fatalf("first: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := b.Open(path); got.StatusCode != 410 || !strings.Contains(got.Text, "used already") {
		t.Errorf("reload: %d %s", got.StatusCode, got.Text)
	}
	if n := third.redeemed.Load(); n != 1 {
		t.Errorf("redeemed %d times", n)
	}
}

func TestTwoRequestsAtOnceRedeemOnce(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	c := config(t, &tickets{})
	c.Redeem = func(context.Context, string) (user, error) {
		entered <- struct{}{}
		<-leave
		return user{"Ana"}, nil
	}
	b := site(t, c)
	path := begin(t, b, "/login", "t-1")
	other := begin(t, b, "/login", "t-1") // another flow, with the same ticket
	first := make(chan int)
	go func() {
		r := b.Request("GET", path, "")
		res, err := b.Do(r)
		if err != nil {
			first <- 0
			return
		}
		res.Body.Close()
		first <- res.StatusCode
	}()
	<-entered
	if got := b.Open(path); got.StatusCode != 410 {
		t.Errorf("the same return: %d", got.StatusCode)
	}
	if got := b.Open(other); got.StatusCode != 410 {
		t.Errorf("the same ticket in another flow: %d", got.StatusCode)
	}
	sameFlow := strings.Replace(path, "t-1", "t-2", 1)
	if got := b.Open(sameFlow); got.StatusCode != 410 {
		t.Errorf("another ticket in the same flow: %d", got.StatusCode)
	}
	close(leave)
	if got := <-first; got != 303 {
		t.Errorf("first: %d", got)
	}
}

func TestFailureOfTheThirdPartyLeavesTheFlowOpen(t *testing.T) {
	broken := true
	var log strings.Builder
	c := config(t, &tickets{})
	c.Logger = logTo(&log)
	c.Redeem = func(_ context.Context, ticket string) (user, error) {
		if broken {
			return user{}, fmt.Errorf("GET https://third.example/?t=%s: connection refused", url.QueryEscape(ticket))
		}
		return user{"Ana"}, nil
	}
	b := site(t, c)
	path := begin(t, b, "/login", "se cret")
	got := b.Open(path)
	if got.StatusCode != 500 || !strings.Contains(got.Text, "our side") || strings.Contains(got.Text, "refused") {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
	if strings.Contains(log.String(), "cret") || !strings.Contains(log.String(), "connection refused") || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log: %s", log.String())
	}
	broken = false
	if got := b.Open(path); got.StatusCode != 303 {
		t.Errorf("then: %d %s", got.StatusCode, got.Text)
	}
}

func TestRedeemThatPanicsSpendsNothing(t *testing.T) {
	c := config(t, &tickets{})
	panics := true
	c.Redeem = func(context.Context, string) (user, error) {
		if panics {
			panic(http.ErrAbortHandler)
		}
		return user{"Ana"}, nil
	}
	b := site(t, c)
	path := begin(t, b, "/login", "t-1")
	if res, err := b.Do(b.Request("GET", path, "")); err == nil {
		res.Body.Close()
		t.Fatal("no panic")
	}
	panics = false
	if got := b.Open(path); got.StatusCode != 303 {
		t.Errorf("then: %d", got.StatusCode)
	}
}

func TestStatusOfTheApplicationsError(t *testing.T) {
	locked := &callback.Reason{Text: "account locked", Status: 403, Title: "Your account is locked", Cause: "Call us."}
	for _, tt := range []struct {
		err    error
		status int
		words  string
	}{
		{fmt.Errorf("row 7: %w", locked), 403, "Your account is locked"},
		{coded(429), 429, "Too Many Requests"},
		{coded(503), 503, "our side"},
		{callback.ErrExpired, 410, "has expired"},
	} {
		c := config(t, &tickets{})
		c.Redeem = func(context.Context, string) (user, error) { return user{}, tt.err }
		b := site(t, c)
		if got := b.Open(begin(t, b, "/login", "t")); got.StatusCode != tt.status || !strings.Contains(got.Text, tt.words) {
			t.Errorf("%v: %d %s", tt.err, got.StatusCode, got.Text)
		}
	}
}

type coded int

func (c coded) Error() string { return "coded" }

func (c coded) StatusCode() int { return int(c) }

func TestAttackersReturnDoesNothing(t *testing.T) {
	third := &tickets{good: map[string]string{"mallory": "Mallory"}}
	attacker := site(t, config(t, third))
	link := begin(t, attacker, "/login", "mallory")

	fresh := attacker.Another()
	if got := fresh.Open(link); got.StatusCode != 403 || len(fresh.Cookies()) != 0 {
		t.Errorf("in a fresh browser: %d, %v", got.StatusCode, fresh.Cookies())
	}
	busy := attacker.Another()
	mine := begin(t, busy, "/login", "ana")
	third.good["ana"] = "Ana"
	if got := busy.Open(link); got.StatusCode != 403 {
		t.Errorf("in a browser with a flow of its own: %d", got.StatusCode)
	}
	if third.redeemed.Load() != 0 {
		t.Error("the attacker's ticket was redeemed")
	}
	if got := busy.Open(mine); got.StatusCode != 303 {
		t.Errorf("that flow afterwards: %d", got.StatusCode)
	}
	if got := busy.Open("/"); !strings.Contains(got.Text, "signed in as Ana") {
		t.Errorf("signed in: %s", got.Text)
	}
}

func TestTwoTabsBothFinish(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana", "t-2": "Ana"}}
	b := site(t, config(t, third))
	one, two := begin(t, b, "/login?redirect_url=/one", "t-1"), begin(t, b, "/login?redirect_url=/two", "t-2")
	if got := b.Open(one); got.StatusCode != 303 || got.Header.Get("Location") != "/one" {
		t.Errorf("first tab: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := b.Open(two); got.StatusCode != 303 || got.Header.Get("Location") != "/two" {
		t.Errorf("second tab: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestStateAloneIsEnough(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana"}}
	b := site(t, config(t, third))
	full, _ := url.ParseQuery(strings.TrimPrefix(begin(t, b, "/login?redirect_url=/deep", "t-1"), "/callback?"))
	if got := b.Open("/callback?session_token=t-1&state=" + full.Get("state")); got.Header.Get("Location") != "/deep" {
		t.Errorf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestStateAloneKeepsTheTargetWhenItIsRefused(t *testing.T) {
	b := site(t, config(t, &tickets{good: map[string]string{"t1": "ana"}}))
	back, err := url.Parse(begin(t, b, "/login?redirect_url=/inbox%3Fa=1", "t1"))
	if err != nil {
		t.Fatal(err)
	}
	alone := "/callback?session_token=t1&state=" + back.Query().Get("state")
	const link = `<a href="/login?redirect_url=%2Finbox%3Fa%3D1">`
	if got := b.Another().Open(alone); got.StatusCode != 403 || !strings.Contains(got.Text, link) {
		t.Errorf("in another browser: %d %s", got.StatusCode, got.Text)
	}
	if got := b.Open(alone); got.StatusCode != 303 || got.Header.Get("Location") != "/inbox?a=1" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if got := b.Open(alone); got.StatusCode != 410 || !strings.Contains(got.Text, link) {
		t.Errorf("again: %d %s", got.StatusCode, got.Text)
	}
}

func TestPrefetchRedeemsNothing(t *testing.T) {
	third := &tickets{good: map[string]string{"t1": "ana"}}
	b := site(t, config(t, third))
	back := begin(t, b, "/login", "t1")
	if got := b.Send(b.Request("GET", back, "", "Sec-Purpose", "prefetch")); got.StatusCode != 503 || third.redeemed.Load() != 0 {
		t.Errorf("%d, %d redeemed", got.StatusCode, third.redeemed.Load())
	}
	if got := b.Open(back); got.StatusCode != 303 {
		t.Errorf("afterwards: %d", got.StatusCode)
	}
}

func TestExpiredFlowSaysSoAndKeepsTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := callback.New(config(t, &tickets{}))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		params, err := h.Start(w, httptest.NewRequest("GET", "/login?redirect_url=/deep", nil))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Minute)
		r := browserWith(w)
		r.Header.Set("Accept", "text/html")
		r.URL, _ = url.Parse("/callback?session_token=t&state=" + params.Get("state"))
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if got.Code != 410 || !strings.Contains(got.Body.String(), "has expired") || !strings.Contains(got.Body.String(), `"/login?redirect_url=%2Fdeep"`) {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	})
}

func TestHeadAndPostRedeemNothing(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana"}}
	b := site(t, config(t, third))
	path := begin(t, b, "/login", "t-1")
	for _, method := range []string{"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"} {
		got := b.Send(b.Request(method, path, ""))
		if got.StatusCode != 405 || got.Header.Get("Allow") != "GET" {
			t.Errorf("%s: %d, Allow %q", method, got.StatusCode, got.Header.Get("Allow"))
		}
	}
	if third.redeemed.Load() != 0 {
		t.Error("redeemed")
	}
	if got := b.Open(path); got.StatusCode != 303 {
		t.Errorf("GET afterwards: %d", got.StatusCode)
	}
}

func TestRetryKeepsATargetOnAnotherOrigin(t *testing.T) {
	b := site(t, config(t, &tickets{}))
	got := b.Open(begin(t, b, "/login?redirect_url=https://app.example.com/x", "unknown"))
	if got.StatusCode != 400 || !strings.Contains(got.Text, `"/login?redirect_url=https%3A%2F%2Fapp.example.com%2Fx"`) {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
}

func TestStartRefusesHostileTargets(t *testing.T) {
	b := site(t, config(t, &tickets{}))
	for _, path := range []string{"/login?redirect_url=//evil.example", "/login?redirect_url=/&redirect_url=/", "/login?redirect_url=%zz", "/login?redirect_url=" + strings.Repeat("a", 3000)} {
		if got := b.Open(path); got.StatusCode != 400 || len(b.Cookies()) != 0 {
			t.Errorf("%.40s: %d, %v", path, got.StatusCode, b.Cookies())
		}
	}
}
