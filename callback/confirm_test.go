package callback_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
)

// TestUnsolicitedReturn is the article's flow, in which the return names everything.
func TestUnsolicitedReturn(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana", "t-2": "Ana", "t-3": "Ana"}}
	c := config(t, third)
	c.InsecureUnsolicited = true
	c.Home = ""
	b := site(t, c)
	for _, tt := range []struct {
		path     string
		status   int
		location string
	}{
		{"/callback?session_token=t-1&redirect_url=/dash", 303, "/dash"},
		{"/callback?session_token=t-1&redirect_url=/dash", 410, ""},
		{"/callback?session_token=t-2&redirect_url=../../x", 303, "/x"},
		{"/callback?session_token=t-3&redirect_url=https://app.example.com/x", 303, "https://app.example.com/x"},
		{"/callback?session_token=t-4", 400, ""},
		{"/callback?session_token=t-4&redirect_url=", 400, ""},
		{"/callback?session_token=t-4&redirect_url=null", 400, ""},
		{"/callback?session_token=t-4&redirect_url=undefined", 400, ""},
		{"/callback?session_token=t-4&redirect_url=/%0a/evil.example", 400, ""},
		{"/callback?session_token=t-4&redirect_url=http:evil.example", 400, ""},
		{"/callback?redirect_url=/x", 400, ""},
	} {
		got := b.Open(tt.path)
		if got.StatusCode != tt.status || got.Header.Get("Location") != tt.location {
			t.Errorf("%s: %d %s, want %d %s", tt.path, got.StatusCode, got.Header.Get("Location"), tt.status, tt.location)
		}
	}
	if n := third.redeemed.Load(); n != 3 {
		t.Errorf("redeemed %d times", n)
	}
	// A return that has a state is held to it all the same.
	third.good["t-5"] = "Ana"
	if got := b.Open("/callback?session_token=t-5&redirect_url=/&state=x"); got.StatusCode != 403 {
		t.Errorf("with a foreign state: %d", got.StatusCode)
	}
}

func TestConfirmedReturn(t *testing.T) {
	third := &tickets{good: map[string]string{"t&1": "Ana"}}
	c := config(t, third)
	c.Confirm = &callback.Confirm{Title: "Sign in to Example?", Button: "Sign in"}
	b := site(t, c)
	path := begin(t, b, "/login?redirect_url=/inbox", "t&1")

	scanner := b.Another()
	if got := scanner.Open(path); got.StatusCode != 403 {
		t.Errorf("a mail scanner: %d", got.StatusCode)
	}
	if got := b.Send(b.Request("HEAD", path, "")); got.StatusCode != 200 {
		t.Errorf("HEAD: %d", got.StatusCode)
	}
	got := b.Open(path)
	for _, want := range []string{"<h1>Sign in to Example?</h1>", `<form method="post" action="?">`, `name="session_token" value="t&amp;1"`, `name="redirect_url" value="/inbox"`, ">Sign in</button>"} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("%s is not in\n%s", want, got.Text)
		}
	}
	policy := got.Header.Get("Content-Security-Policy")
	if got.StatusCode != 200 || !strings.Contains(policy, "frame-ancestors 'none'") || !strings.HasSuffix(policy, "form-action 'self' https://app.example.com") {
		t.Errorf("%d, policy %q", got.StatusCode, policy)
	}
	if third.redeemed.Load() != 0 || b.Cookies()["__Host-session"] != "" {
		t.Fatal("GET redeemed the ticket")
	}

	form, _ := url.ParseQuery(strings.TrimPrefix(path, "/callback?"))
	if got := scanner.Post("/callback", form); got.StatusCode != 403 {
		t.Errorf("confirmed from another browser: %d", got.StatusCode)
	}
	if got := b.Send(b.Request("POST", "/callback", `{}`, "Content-Type", "application/json")); got.StatusCode != 400 {
		t.Errorf("JSON: %d", got.StatusCode)
	}
	if got := b.Post("/callback", url.Values{"a": {strings.Repeat("a", 20<<10)}}); got.StatusCode != 413 {
		t.Errorf("20 KiB: %d", got.StatusCode)
	}
	if got := b.Send(b.Request("PUT", path, "")); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("PUT: %d %s", got.StatusCode, got.Header.Get("Allow"))
	}
	if got := b.Post("/callback", form); got.StatusCode != 303 || got.Header.Get("Location") != "/inbox" {
		t.Errorf("confirmed: %d %s", got.StatusCode, got.Text)
	}
	if got := b.Post("/callback", form); got.StatusCode != 410 {
		t.Errorf("confirmed twice: %d", got.StatusCode)
	}
	if got := b.Open(path); got.StatusCode != 410 {
		t.Errorf("opened again: %d", got.StatusCode)
	}
	if third.redeemed.Load() != 1 {
		t.Errorf("redeemed %d times", third.redeemed.Load())
	}
}

func TestUnsolicitedConfirmationFromAnotherSite(t *testing.T) {
	third := &tickets{good: map[string]string{"t-1": "Ana"}}
	c := config(t, third)
	c.InsecureUnsolicited = true
	c.Confirm = &callback.Confirm{}
	b := site(t, c)
	form := url.Values{"session_token": {"t-1"}, "redirect_url": {"/"}}
	if got := b.Post("/callback", form, "Sec-Fetch-Site", "cross-site"); got.StatusCode != 403 || third.redeemed.Load() != 0 {
		t.Errorf("cross-site: %d", got.StatusCode)
	}
	got := b.Open("/callback?" + form.Encode())
	if got.StatusCode != 200 || !strings.Contains(got.Text, "<h1>Continue?</h1>") || strings.Contains(got.Text, `name="state"`) {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
	if got := b.Post("/callback", form); got.StatusCode != 303 {
		t.Errorf("same-origin: %d", got.StatusCode)
	}
	if got := b.Open("/callback?" + form.Encode()); got.StatusCode != 410 {
		t.Errorf("opened again: %d", got.StatusCode)
	}
}

func TestCompleteTakesThePlaceOfASession(t *testing.T) {
	third := &tickets{good: map[string]string{"paid": "Ana", "unpaid": "Ben"}}
	c := config(t, third)
	c.Complete = func(w http.ResponseWriter, _ *http.Request, u user, target string) error {
		if u.Name == "Ben" {
			return &callback.Reason{Text: "not paid", Status: 402, Title: "Not paid yet", Cause: "Pay first."}
		}
		w.Header().Set("X-Receipt", u.Name+target)
		return nil
	}
	b := site(t, c)
	if got := b.Open(begin(t, b, "/login?redirect_url=/order/7", "paid")); got.StatusCode != 303 || got.Header.Get("X-Receipt") != "Ana/order/7" || len(b.Cookies()) != 0 {
		t.Errorf("paid: %d %v %v", got.StatusCode, got.Header, b.Cookies())
	}
	if got := b.Open(begin(t, b, "/login", "unpaid")); got.StatusCode != 402 || !strings.Contains(got.Text, "Not paid yet") {
		t.Errorf("unpaid: %d %s", got.StatusCode, got.Text)
	}
}
