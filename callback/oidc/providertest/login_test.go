package providertest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
	"github.com/gatehouse-go/gatehouse/internal/testbrowser"
	"golang.org/x/net/html"
)

// account is what the application remembers of a person.
type account struct {
	Subject string      `json:"subject"`
	Tokens  oidc.Tokens `json:"tokens"`
}

// target is one real provider.
type target struct {
	start   func(t *testing.T, app string) (issuer string) // with the application's origin
	id      string
	secret  oidc.Secret
	scopes  []string
	fill    url.Values // what the person types into forms, by field
	subject string

	// endSession is the path at which the provider ends its session and reports that to the application; empty where it reports nothing.
	endSession string
}

// TestRealProviders signs in with code and PKCE, refreshes, and signs out, in two tabs of one browser.
func TestRealProviders(t *testing.T) {
	for name, p := range map[string]target{"panva": panva, "dex": dex, "zitadel": zitadel} {
		t.Run(name, func(t *testing.T) { signInAndOut(t, p) })
	}
}

func signInAndOut(t *testing.T, p target) {
	t.Helper()
	mux := http.NewServeMux()
	b := testbrowser.Serve(t, mux)
	issuer := p.start(t, b.URL)
	login, log := application(t, mux, b.URL, issuer, p)

	one, two := b.Open("/inbox"), b.Open("/outbox") // two tabs, before either signs in
	for want, got := range map[string]testbrowser.Answer{"/inbox": one, "/outbox": two} {
		page := walk(t, b, got, p.fill, b.URL+want)
		if page.StatusCode != 200 || page.Text != "signed in as "+p.subject {
			t.Fatalf("%s: %d %s\nlog: %s", want, page.StatusCode, page.Text, log)
		}
	}

	r := b.Request("GET", "/", "")
	for name, value := range b.Cookies() {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	a, err := login.Sessions().Session(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Tokens.Expires = time.Now()
	fresh, err := login.Refresh(t.Context(), a.Tokens)
	if err != nil || fresh.Access == a.Tokens.Access || !time.Now().Before(fresh.Expires) {
		t.Fatalf("refresh: %v", err)
	}
	fresh.Expires = time.Now()
	if _, err := login.Refresh(t.Context(), fresh); err != nil {
		t.Fatalf("the refresh after it: %v", err)
	}

	out := b.Post("/logout", nil)
	if !strings.HasPrefix(out.Header.Get("Location"), issuer) || !strings.Contains(out.Header.Get("Location"), "id_token_hint=") {
		t.Fatalf("logout: %d %s", out.StatusCode, out.Header.Get("Location"))
	}
	back := walk(t, b, out, nil, b.URL+"/")
	if back.Request.URL.String() != b.URL+"/" {
		t.Errorf("the logout ended at %s: %d\n%s", back.Request.URL, back.StatusCode, back.Text)
	}
	if got := b.Open("/"); got.StatusCode != 303 {
		t.Errorf("still signed in: %d %s", got.StatusCode, got.Text)
	}
	// The provider's session has ended too: signing in asks for the password again.
	if asked := walk(t, b, b.Open("/login"), nil, ""); !strings.Contains(asked.Text, "<form") || !strings.HasPrefix(asked.Request.URL.String(), strings.TrimSuffix(issuer, "/")) {
		t.Errorf("the provider signs in without asking: %s %d", asked.Request.URL, asked.StatusCode)
	}

	if p.endSession == "" {
		return
	}
	if page := walk(t, b, b.Open("/inbox"), p.fill, b.URL+"/inbox"); page.StatusCode != 200 {
		t.Fatalf("signing in again: %d %s", page.StatusCode, page.Text)
	}
	walk(t, b, b.Open(issuer+p.endSession), nil, "") // at the provider alone, which tells the application through the back channel
	for range 100 {
		if got := b.Open("/"); got.StatusCode == 303 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the provider's logout did not end the session\nlog: %s", log)
}

// application routes an application that signs people in at issuer.
func application(t *testing.T, mux *http.ServeMux, base, issuer string, p target) (*oidc.Login[account], *strings.Builder) {
	t.Helper()
	log := new(strings.Builder)
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 100})
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[account]{Keys: keys, Store: store, Subject: func(a account) string { return a.Subject }, LoginPath: "/login"})
	if err != nil {
		t.Fatal(err)
	}
	login, err := oidc.New(t.Context(), oidc.Config[account]{
		Providers: []oidc.Provider{{Issuer: issuer, ClientID: p.id, ClientSecret: p.secret, Scopes: p.scopes, UserInfo: true, InsecureHTTP: true}},
		BaseURL:   base, Keys: keys, Sessions: sessions,
		User: func(_ context.Context, id oidc.Identity) (account, error) {
			return account{id.Subject, id.Tokens}, nil
		},
		LogoutHint: func(a account) oidc.LogoutHint { return oidc.LogoutHint{IDToken: a.Tokens.ID} },
		Logger:     slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/login", login.Start())
	mux.Handle("/auth/callback", login.Callback())
	mux.Handle("/logout", login.Logout())
	mux.Handle("/backchannel", login.BackChannel())
	mux.Handle("/", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, _ := callback.SessionFrom[account](r.Context())
		fmt.Fprint(w, "signed in as ", a.Subject)
	})))
	return login, log
}

// walk follows redirects and submits forms as a person would, with fill typed into the fields of those names, until it is at the URL
// stop, or where there is nothing to follow and nothing to submit. Without fill it submits only forms that ask for nothing.
func walk(t *testing.T, b *testbrowser.Browser, got testbrowser.Answer, fill url.Values, stop string) testbrowser.Answer {
	t.Helper()
	for range 30 {
		if location := got.Header.Get("Location"); location != "" {
			next, err := got.Request.URL.Parse(location)
			if err != nil {
				t.Fatal(err)
			}
			if fill == nil && next.String() == stop {
				return b.Open(stop)
			}
			got = b.Open(next.String())
			continue
		}
		form, action := formOf(t, got)
		if form == nil || got.Request.URL.String() == stop {
			return got
		}
		for name := range form {
			if fill.Has(name) {
				form.Set(name, fill.Get(name))
			} else if form.Get(name) == typed && fill == nil {
				return got
			}
		}
		got = b.Post(action, form)
	}
	t.Fatalf("no end in sight at %s", got.Request.URL)
	return got
}

// typed marks a field that a person has to fill in.
const typed = "\x00"

// formOf returns the fields of the first form that is POSTed, and where to.
func formOf(t *testing.T, got testbrowser.Answer) (url.Values, string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(got.Text))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || !strings.EqualFold(attribute(n, "method"), "post") {
			continue
		}
		fields := url.Values{}
		for in := range doc.Descendants() {
			if id := attribute(n, "id"); !within(in, n) && (id == "" || attribute(in, "form") != id) {
				continue
			}
			name := attribute(in, "name")
			switch kind := attribute(in, "type"); {
			case in.Type != html.ElementNode || name == "" || (in.Data != "input" && in.Data != "button"):
			case in.Data == "input" && (kind == "" || kind == "text" || kind == "password" || kind == "email"):
				fields.Set(name, typed)
			case !fields.Has(name): // of several buttons the first, which says yes
				fields.Set(name, attribute(in, "value"))
			}
		}
		action, err := got.Request.URL.Parse(attribute(n, "action"))
		if err != nil {
			t.Fatal(err)
		}
		return fields, action.String()
	}
	return nil, ""
}

func within(n, form *html.Node) bool {
	for a := range n.Ancestors() {
		if a == form {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
