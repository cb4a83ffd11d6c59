package oidc_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

func readAll(tb testing.TB, res *http.Response) string {
	tb.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// failing is a store that keeps what it gets and then fails to end anything.
type failing struct{ callback.SessionStore }

func (failing) Put(context.Context, callback.SessionRecord) error { return nil }
func (failing) Get(context.Context, string) (callback.SessionRecord, bool, error) {
	return callback.SessionRecord{}, false, nil
}
func (failing) Delete(context.Context, string) error { return errors.New("down") }

// tokensOf signs in and returns the tokens, their access token about to expire.
func tokensOf(t *testing.T, change func(*oidc.Config[account], *callbacktest.Provider)) (*app, oidc.Tokens) {
	t.Helper()
	var tokens oidc.Tokens
	a := start(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
		if change != nil {
			change(c, op)
		}
		c.User = func(ctx context.Context, id oidc.Identity) (account, error) {
			tokens = id.Tokens
			return accountOf(ctx, id)
		}
	})
	a.mustSignIn()
	if until := time.Until(tokens.Expires); until < 4*time.Minute || until > 5*time.Minute {
		t.Errorf("tokens expire in %v", until)
	}
	if same, err := a.login.Refresh(t.Context(), tokens); same != tokens || err != nil || a.op.Calls("/token") != 1 {
		t.Errorf("tokens that are good were refreshed: %v", err)
	}
	tokens.Expires = time.Now().Add(20 * time.Second)
	return a, tokens
}

func TestRefreshRotates(t *testing.T) {
	a, old := tokensOf(t, nil)
	fresh, err := a.login.Refresh(t.Context(), old)
	if err != nil || fresh.Access == old.Access || fresh.Refresh == old.Refresh || fresh.ID == old.ID || fresh.Subject != "ana" || time.Until(fresh.Expires) < 4*time.Minute {
		t.Fatalf("Refresh: %v", err)
	}
	if late, err := a.login.Refresh(t.Context(), old); late != fresh || err != nil {
		t.Errorf("a late caller with the old tokens: %v", err)
	}
	fresh.Expires = time.Now()
	if _, err := a.login.Refresh(t.Context(), fresh); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if n := a.op.Calls("/token"); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

func TestParallelRefreshesShareOneCall(t *testing.T) {
	a, old := tokensOf(t, nil)
	var wg sync.WaitGroup
	results := make([]oidc.Tokens, 20)
	for i := range results {
		wg.Go(func() {
			var err error
			if results[i], err = a.login.Refresh(t.Context(), old); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		if r != results[0] {
			t.Error("results differ")
		}
	}
	if n := a.op.Calls("/token"); n != 2 {
		t.Errorf("%d calls, want one for the code and one for all refreshes", n)
	}
}

func TestRefreshRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  callbacktest.Faults
		change func(*oidc.Tokens)
		want   error
	}{
		{"no refresh token", callbacktest.Faults{}, func(t *oidc.Tokens) { t.Refresh = "" }, oidc.ErrNoRefresh},
		{"a provider that is not configured", callbacktest.Faults{}, func(t *oidc.Tokens) { t.Provider = "x" }, oidc.ErrNoRefresh},
		{"a refresh token that the provider refuses", callbacktest.Faults{CodeRefused: true}, func(*oidc.Tokens) {}, oidc.ErrNoRefresh},
		{"a provider that fails", callbacktest.Faults{TokenFails: true}, func(*oidc.Tokens) {}, oidc.ErrUnreachable},
		{"tokens of somebody else", callbacktest.Faults{RefreshOther: true}, func(*oidc.Tokens) {}, oidc.ErrIDToken},
		{"an ID token of another issuer", callbacktest.Faults{IssuerWrong: true}, func(*oidc.Tokens) {}, oidc.ErrIDToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, tokens := tokensOf(t, nil)
			a.op.SetFaults(tt.fault)
			tt.change(&tokens)
			if got, err := a.login.Refresh(t.Context(), tokens); !errors.Is(err, tt.want) || got != (oidc.Tokens{}) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestRefreshWithoutIDToken(t *testing.T) {
	a, old := tokensOf(t, nil)
	a.op.SetFaults(callbacktest.Faults{RefreshNoIDToken: true})
	if fresh, err := a.login.Refresh(t.Context(), old); err != nil || fresh.ID != old.ID {
		t.Errorf("the ID token from before is lost: %v", err)
	}
}

// answering returns a change that lets a handler answer at /token once the login is over.
func answering(body string) func(*oidc.Config[account], *callbacktest.Provider) {
	return func(c *oidc.Config[account], op *callbacktest.Provider) {
		calls := 0
		c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/token" {
				if calls++; calls > 1 {
					w := httptest.NewRecorder()
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.WriteString(body)
					return w.Result(), nil
				}
			}
			return op.Client().Transport.RoundTrip(r)
		})}
	}
}

func TestRefreshReadsLooseAnswers(t *testing.T) {
	a, old := tokensOf(t, answering(`{"access_token":"new","expires_in":"60"}`))
	fresh, err := a.login.Refresh(t.Context(), old)
	if err != nil || fresh.Access != "new" || fresh.Refresh != old.Refresh || time.Until(fresh.Expires) < 50*time.Second {
		t.Errorf("expires_in as text, no rotation: %v", err)
	}
	a, old = tokensOf(t, answering(`{"error":"bad_refresh_token"}`)) // GitHub, with status 200
	if _, err := a.login.Refresh(t.Context(), old); !errors.Is(err, oidc.ErrNoRefresh) {
		t.Errorf("an error with status 200: %v", err)
	}
	for _, body := range []string{`{}`, `x`, `{"access_token":7}`} {
		a, old = tokensOf(t, answering(body))
		if _, err := a.login.Refresh(t.Context(), old); !errors.Is(err, oidc.ErrUnreachable) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestRefreshOutlivesItsCaller(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	a, old := tokensOf(t, func(c *oidc.Config[account], op *callbacktest.Provider) {
		calls := 0
		c.Client = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/token" {
				if calls++; calls == 2 {
					close(entered)
					<-leave
				}
			}
			return op.Client().Transport.RoundTrip(r)
		})}
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := a.login.Refresh(ctx, old)
		gone <- err
	}()
	<-entered
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left: %v", err)
	}
	close(leave)
	if _, err := a.login.Refresh(t.Context(), old); err != nil {
		t.Errorf("the one that stayed: %v", err)
	}
	if n := a.op.Calls("/token"); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	tokens := oidc.Tokens{Access: "hush", Refresh: "hush", ID: "hush"}
	id := oidc.Identity{Provider: "p", Issuer: "i", Subject: "s", Claims: []byte(`{"email":"hush"}`), Tokens: tokens}
	var log strings.Builder
	provider := oidc.Provider{ID: "p", ClientSecret: "hush", PrivateKey: ed25519.PrivateKey("hush")}
	if got := fmt.Sprint(provider); got != `oidc.Provider("p"  )` {
		t.Errorf("a provider prints as %s", got)
	}
	for _, v := range []any{oidc.Secret("hush"), tokens, id, &id, []oidc.Secret{"hush"}, provider, []oidc.Provider{provider}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&log, verb, v)
		}
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
	}
	if text, err := json.Marshal(oidc.Secret("hush")); err != nil || string(text) != `"[redacted]"` {
		t.Errorf("JSON: %s, %v", text, err)
	}
	if strings.Contains(log.String(), "hush") || strings.Contains(log.String(), "68757368") || strings.Contains(log.String(), "104 117") {
		t.Errorf("%s", log.String())
	}
	var back oidc.Tokens
	text, err := json.Marshal(tokens)
	if err != nil || json.Unmarshal(text, &back) != nil || back != tokens {
		t.Errorf("a session cannot keep tokens: %s, %v", text, err)
	}
}
