package revalidate_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// knock asks an endpoint from an address, and returns the status and Retry-After.
func knock(h http.Handler, address, token string) string {
	r := httptest.NewRequest("GET", "/webhook?tag=posts&token="+token, nil)
	r.RemoteAddr = address
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return strings.TrimSpace(fmt.Sprint(rec.Code, " ", rec.Header().Get("Retry-After")))
}

func TestGuessesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, _ := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, MaxFailures: 10, Logger: silent()})
		const cms, guesser = "192.0.2.1:1", "[2001:db8::1]:1"
		if got := knock(h, cms, "s3cret"); got != "200" {
			t.Errorf("the content system: %s", got)
		}
		for i := range 10 {
			if got := knock(h, guesser, "x"); got != "401" {
				t.Errorf("guess %d: %s", i, got)
			}
			knock(h, cms, "old")
		}
		for _, row := range []struct{ name, address, token, want string }{
			{"one guess more", guesser, "x", "429 6"},
			{"the right token, which a guesser does not learn", guesser, "s3cret", "429 6"},
			{"another port and another address of the same network", "[2001:db8::2]:7", "x", "429 6"},
			{"another network", "[2001:db8:0:1::1]:1", "x", "401"},
			{"an address as IPv4 in IPv6", "[::ffff:192.0.2.1]:1", "x", "429 6"},
			{"the content system, whose token was good before", cms, "s3cret", "200"},
			{"a stranger with the right token", "198.51.100.1:1", "s3cret", "200"},
		} {
			if got := knock(h, row.address, row.token); got != row.want {
				t.Errorf("%s: %s, want %s", row.name, got, row.want)
			}
		}
		time.Sleep(6 * time.Second) // one failure is forgiven
		if first, second := knock(h, guesser, "x"), knock(h, guesser, "x"); first != "401" || second != "429 6" {
			t.Errorf("after a tenth of the window: %s, %s", first, second)
		}
		time.Sleep(time.Minute)
		if got := knock(h, guesser, "s3cret"); got != "200" {
			t.Errorf("after the window: %s", got)
		}
	})
}

func TestGuessesHaveTheBoundOfTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, _ := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, MaxFailures: 2, FailureWindow: time.Hour, Logger: silent()})
		if got := knock(h, "", "x") + knock(h, "", "x") + " " + knock(h, "not an address", "x"); got != "401401 429 1800" {
			t.Errorf("%s", got)
		}
		h = newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, InsecureUnlimited: true, Logger: silent()})
		for range 1000 {
			if got := knock(h, "192.0.2.1:1", "x"); got != "401" {
				t.Fatalf("unlimited: %s", got)
			}
		}
	})
}

func TestGuessesAtOnceAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache, _ := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Logger: silent()})
		var heard atomic.Int64
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if knock(h, "192.0.2.1:1", "x") == "401" {
					heard.Add(1)
				}
			})
		}
		all.Wait()
		if n := heard.Load(); n != 100 {
			t.Errorf("%d of 1000 guesses at once are judged", n)
		}
	})
}

// A signature cannot be guessed, and a content system sends for many: one of its customers shuts out no other.
func TestSignaturesAreNotShutOut(t *testing.T) {
	cache, _ := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Signed: signed, Logger: silent()})
	post := func(signature string) int {
		r := httptest.NewRequest("POST", "/webhook", strings.NewReader(`{"tags":["posts"]}`))
		if signature == "" {
			signature = sign(`{"tags":["posts"]}`)
		}
		r.Header.Set("X-Signature", signature)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	for range 100 {
		if got := post("00"); got != 401 {
			t.Fatalf("a wrong signature: %d", got)
		}
	}
	if got := post(""); got != 200 {
		t.Errorf("a good signature after wrong ones: %d", got)
	}
}

// The line of a refusal names the id that the client got.
func TestARefusalInTheLogNamesTheRequest(t *testing.T) {
	var out strings.Builder
	cache, _ := tagged(t, "posts")
	h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	r := httptest.NewRequest("DELETE", "/webhook", nil)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(requestid.With(r.Context(), "R1")))
	if got := out.String(); !strings.Contains(got, "request_id=R1") {
		t.Error(got)
	}
}

func TestALogOfStrangersIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		cache, _ := tagged(t, "posts")
		h := newEndpoint(t, revalidate.EndpointConfig{Cache: cache, Tokens: []string{"s3cret"}, InsecureUnlimited: true, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		lines := func() string {
			defer out.Reset()
			return out.String()
		}
		for range 1500 {
			knock(h, "192.0.2.1:1", "x")
		}
		if got := lines(); strings.Count(got, "client=192.0.2.1") != 1000 || strings.Contains(got, "unlogged") {
			t.Errorf("a flood is %d lines", strings.Count(got, "\n"))
		}
		r := httptest.NewRequest("GET", "/webhook?token=s3cret", nil)
		for range 3 {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if got := lines(); strings.Count(got, "tag is missing") != 3 {
			t.Errorf("of one whose token is good, each is a line:\n%s", got)
		}
		time.Sleep(time.Second)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/webhook", nil))
		if got := lines(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "method is not allowed") || !strings.Contains(got, "unlogged=500") {
			t.Errorf("a second later:\n%s", got)
		}
	})
}
