package callback_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func TestOwnPageAndOwnAnswer(t *testing.T) {
	c := config(t, &tickets{})
	c.Page = template.Must(template.New("").Parse(`<p>{{.Status}} {{.Title}} <a href="{{.Link}}">x</a>`))
	got := site(t, c).Open("/callback")
	if got.StatusCode != 400 || got.Text != `<p>400 This link is not complete <a href="/login">x</a>` || got.Header.Get("Content-Security-Policy") != "frame-ancestors 'none'" {
		t.Errorf("%d %s %v", got.StatusCode, got.Text, got.Header)
	}
	c.Page = template.Must(template.New("").Parse(`{{.Missing}}`))
	if got := site(t, c).Open("/callback"); got.StatusCode != 400 || !strings.Contains(got.Text, "not complete") {
		t.Errorf("a template that fails: %d %s", got.StatusCode, got.Text)
	}
	c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
		w.WriteHeader(418)
		_, _ = fmt.Fprint(w, errors.Is(err, callback.ErrTicketMissing))
	}
	if got := site(t, c).Open("/callback"); got.StatusCode != 418 || got.Text != "true" {
		t.Errorf("%d %s", got.StatusCode, got.Text)
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := callback.New(callback.Config[user]{Home: "https://x.example", Retry: "//evil.example", TicketParam: "state"})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 6 {
		t.Errorf("%d mistakes: %v", n, err)
	}
	c := config(t, &tickets{})
	c.FlowName, c.FlowLifetime = "a b", time.Hour*25
	if _, err := callback.New(c); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("flows: %v", err)
	}
}

func ExampleNew() {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@")) // from the environment
	if err != nil {
		panic(err)
	}
	returnTo, err := callback.NewReturnTo("https://app.example.com")
	if err != nil {
		panic(err)
	}
	login, err := callback.New(callback.Config[user]{
		Keys:     keys,
		ReturnTo: returnTo,
		Retry:    "/login",
		Redeem: func(_ context.Context, ticket string) (user, error) {
			if ticket != "ticket-of-ana" { // ask the third party, which takes each ticket once
				return user{}, callback.ErrTicketInvalid
			}
			return user{"Ana"}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		params, err := login.Start(w, r)
		if err != nil {
			login.Refuse(w, r, err)
			return
		}
		back := "https://app.example.com/callback?" + params.Encode()
		http.Redirect(w, r, "https://third.example/login?return="+url.QueryEscape(back), http.StatusSeeOther)
	})
	mux.Handle("GET /callback", login)
	mux.Handle("GET /", login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := callback.SessionFrom[user](r.Context())
		fmt.Fprintln(w, "hello", u.Name)
	})))

	// The browser goes to /login, and comes back from the third party with a ticket.
	started := httptest.NewRecorder()
	mux.ServeHTTP(started, httptest.NewRequest("GET", "/login?redirect_url=/inbox", nil))
	there, _ := url.Parse(started.Header().Get("Location"))
	returned := httptest.NewRequest("GET", there.Query().Get("return")+"&session_token=ticket-of-ana", nil)
	for _, c := range started.Result().Cookies() {
		returned.AddCookie(c)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, returned)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /inbox
}
