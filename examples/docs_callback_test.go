package examples_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const cookieKey = "COOKIE_KEY=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// person is a browser with cookies, which follows redirects.
func person(t *testing.T) func(method, url string, form url.Values) (status int, path, text string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience}
	return func(method, url string, form url.Values) (int, string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Request.URL.RequestURI(), string(text)
	}
}

// A scanner opens the link first; the person still gets in, once, to the page they wanted.
func TestDocsMagicLink(t *testing.T) {
	binary, addr := program(t, "magic-link.md"), freeAddress(t)
	s := startAt(t, binary, addr, "BASE_URL=http://"+addr, "LOCAL=1", cookieKey)
	ana, scanner := person(t), person(t)
	if status, path, text := ana("GET", s.url+"/inbox", nil); status != 200 || path != "/login?redirect_url=%2Finbox" || !strings.Contains(text, "Your address") {
		t.Fatalf("%d %s %s", status, path, text)
	}
	ana("POST", s.url+"/login?redirect_url=%2Finbox", url.Values{"address": {"ana@example.com"}})
	var link string
	for end := time.Now().Add(patience); link == ""; time.Sleep(20 * time.Millisecond) {
		_, rest, _ := strings.Cut(s.output.String(), `mail to "ana@example.com": `)
		if line, _, ended := strings.Cut(rest, "\n"); ended {
			link = line
		} else if time.Now().After(end) {
			t.Fatalf("no mail: %s", s.output)
		}
	}
	for range 2 {
		if status, _, text := scanner("GET", link, nil); status != 403 || !strings.Contains(text, `href="/login?redirect_url=%2Finbox"`) {
			t.Errorf("a scanner: %d %s", status, text)
		}
	}
	if status, _, text := ana("GET", link, nil); status != 200 || !strings.Contains(text, "Press the button") {
		t.Errorf("the link: %d %s", status, text)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	if status, path, text := ana("POST", s.url+"/magic", u.Query()); status != 200 || path != "/inbox" || text != "signed in as ana@example.com\n" {
		t.Errorf("the button: %d %s %s", status, path, text)
	}
	if status, _, text := ana("POST", s.url+"/magic", u.Query()); status != 410 || !strings.Contains(text, "used already") {
		t.Errorf("the button again: %d %s", status, text)
	}
	s.stop(t)
}

// An order is paid when the provider says so, whatever the URL of the return says.
func TestDocsPaymentReturn(t *testing.T) {
	var paid, asked atomic.Int32
	var back atomic.Value
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sk_test" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/v1/checkout/sessions":
			back.Store(strings.Replace(r.PostFormValue("success_url"), "{CHECKOUT_SESSION_ID}", "cs_1", 1))
			fmt.Fprintf(w, `{"id":"cs_1","url":"http://%s/page"}`, r.Host)
		case "/v1/checkout/sessions/cs_1":
			asked.Add(1)
			status := "unpaid"
			if paid.Load() == 1 {
				status = "paid"
			}
			fmt.Fprintf(w, `{"id":"cs_1","client_reference_id":"7","payment_status":%q}`, status)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(provider.Close)
	binary, addr := program(t, "payment-return.md"), freeAddress(t)
	s := startAt(t, binary, addr, "BASE_URL=http://"+addr, "LOCAL=1", cookieKey, "STRIPE_API="+provider.URL, "STRIPE_SECRET_KEY=sk_test", "STRIPE_PRICE=price_1")
	ana := person(t)
	if status, _, text := ana("GET", s.url+"/checkout", nil); status != 200 || !strings.Contains(text, `method="post" action="/pay/7"`) {
		t.Errorf("where a payment begins, and begins again: %d %s", status, text)
	}
	ana("POST", s.url+"/pay/7", nil)
	link, _ := back.Load().(string)
	if !strings.HasPrefix(link, s.url+"/paid?") {
		t.Fatalf("the provider was given %q", link)
	}
	if status, _, _ := person(t)("GET", link, nil); status != 403 || asked.Load() != 0 {
		t.Errorf("in another browser: %d, asked %d times", status, asked.Load())
	}
	for range 2 {
		if status, _, text := ana("GET", link, nil); status != 402 || !strings.Contains(text, "not complete") || !strings.Contains(text, `href="/checkout?redirect_url=%2Forders%2F7"`) {
			t.Errorf("before it is paid: %d %s", status, text)
		}
	}
	if status, _, _ := ana("GET", strings.Replace(link, "cs_1", "cs_2", 1), nil); status != 400 {
		t.Errorf("a session that the provider does not know: %d", status)
	}
	paid.Store(1)
	if status, path, text := ana("GET", link, nil); status != 200 || path != "/orders/7" || text != "order \"7\" is paid: true\n" {
		t.Errorf("once it is paid: %d %s %s", status, path, text)
	}
	before := asked.Load()
	if status, _, _ := ana("GET", link, nil); status != 410 || asked.Load() != before {
		t.Errorf("again: %d", status)
	}
	s.stop(t)
}
