package callback_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func cookie(tb testing.TB, c callback.CookieConfig) *callback.Cookie {
	tb.Helper()
	if c.Keys == nil {
		c.Keys = keyring(tb, secret(1))
	}
	if c.Lifetime == 0 {
		c.Lifetime = time.Hour
	}
	if c.Name == "" {
		c.Name = "prefs"
	}
	k, err := callback.NewCookie(c)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestNewCookieReportsEveryMistake(t *testing.T) {
	_, err := callback.NewCookie(callback.CookieConfig{Name: "__Host-a", Lifetime: time.Millisecond, SameSite: 9, Partitioned: true})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 5 {
		t.Errorf("%d mistakes: %v", n, err)
	}
	for _, name := range []string{"", "a b", "a=b", "a;b", "ä", strings.Repeat("a", 65)} {
		if _, err := callback.NewCookie(callback.CookieConfig{Keys: keyring(t, secret(1)), Name: name, Lifetime: time.Hour}); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	if _, err := callback.NewCookie(callback.CookieConfig{Keys: keyring(t, secret(1)), Name: "a", Lifetime: time.Hour, SameSite: http.SameSiteNoneMode, InsecureHTTP: true}); err == nil {
		t.Error("SameSite None without Secure was accepted")
	}
}

func TestCookieAttributes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config callback.CookieConfig
		want   string
	}{
		{"safe by default", callback.CookieConfig{}, "__Host-prefs=…; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"the default mode is Lax", callback.CookieConfig{SameSite: http.SameSiteDefaultMode}, "__Host-prefs=…; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		{"strict", callback.CookieConfig{SameSite: http.SameSiteStrictMode}, "__Host-prefs=…; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict"},
		{"in a frame", callback.CookieConfig{SameSite: http.SameSiteNoneMode, Partitioned: true}, "__Host-prefs=…; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=None; Partitioned"},
		{"plain HTTP", callback.CookieConfig{InsecureHTTP: true}, "prefs=…; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := httptest.NewRecorder()
			k := cookie(t, tt.config)
			if err := k.Set(w, []byte("v")); err != nil {
				t.Fatal(err)
			}
			line := w.Header().Get("Set-Cookie")
			value := w.Result().Cookies()[0].Value
			if got := strings.Replace(line, value, "…", 1); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
			if !strings.HasPrefix(tt.want, k.Name()+"=") {
				t.Errorf("%s: Name() = %s", tt.name, k.Name())
			}
		})
	}
}

// browserWith returns a request with the cookies that answers have set.
func browserWith(answers ...*httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, w := range answers {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	return r
}

func TestCookieIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := cookie(t, callback.CookieConfig{})
		w := httptest.NewRecorder()
		if err := k.Set(w, []byte("first")); err != nil {
			t.Fatal(err)
		}
		if err := k.Set(w, []byte("second")); err != nil {
			t.Fatal(err)
		}
		if n := len(w.Header()["Set-Cookie"]); n != 1 {
			t.Errorf("set twice, the answer has %d Set-Cookie lines", n)
		}
		r := browserWith(w)
		if got, err := k.Get(r); string(got) != "second" || err != nil {
			t.Errorf("Get = %q, %v", got, err)
		}
		moved := cookie(t, callback.CookieConfig{Name: "admin"})
		r.Header.Set("Cookie", strings.ReplaceAll(r.Header.Get("Cookie"), "__Host-prefs", "__Host-admin"))
		if got, err := moved.Get(r); !errors.Is(err, callback.ErrSealInvalid) {
			t.Errorf("a value moved to another cookie: %q, %v", got, err)
		}
		if _, err := k.Get(r); !errors.Is(err, callback.ErrCookieMissing) {
			t.Errorf("no cookie: %v", err)
		}
		r = browserWith(w)
		time.Sleep(time.Hour)
		if got, err := k.Get(r); !errors.Is(err, callback.ErrSealExpired) || got != nil {
			t.Errorf("after its lifetime: %q, %v", got, err)
		}
	})
}

func TestCookieThatOpensIsPreferred(t *testing.T) {
	k := cookie(t, callback.CookieConfig{InsecureHTTP: true}) // without the prefix, a subdomain can plant another
	w := httptest.NewRecorder()
	if err := k.Set(w, []byte("v")); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "prefs", Value: "planted"})
	r.AddCookie(w.Result().Cookies()[0])
	if got, err := k.Get(r); string(got) != "v" || err != nil {
		t.Errorf("Get = %q, %v", got, err)
	}
}

func TestCookieThatBrowsersWouldDropIsAnError(t *testing.T) {
	k := cookie(t, callback.CookieConfig{})
	w := httptest.NewRecorder()
	if err := k.Set(w, make([]byte, 2750)); err != nil {
		t.Errorf("2750 bytes: %v", err)
	}
	w = httptest.NewRecorder()
	if err := k.Set(w, make([]byte, 2850)); !errors.Is(err, callback.ErrCookieTooLarge) || len(w.Header()) > 0 {
		t.Errorf("2850 bytes: %v, %v", err, w.Header())
	}
}

func TestClearDropsTheCookieAndKeepsOthers(t *testing.T) {
	a, b := cookie(t, callback.CookieConfig{Name: "a"}), cookie(t, callback.CookieConfig{Name: "b"})
	w := httptest.NewRecorder()
	if err := errors.Join(a.Set(w, nil), b.Set(w, nil)); err != nil {
		t.Fatal(err)
	}
	a.Clear(w)
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 2 || lines[1] != "__Host-a=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" || !strings.HasPrefix(lines[0], "__Host-b=") {
		t.Errorf("Set-Cookie: %q", lines)
	}
}

func ExampleNewCookie() {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		panic(err)
	}
	prefs, err := callback.NewCookie(callback.CookieConfig{Keys: keys, Name: "prefs", Lifetime: 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	if err := prefs.Set(w, []byte("dark")); err != nil {
		panic(err)
	}

	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	value, err := prefs.Get(r)
	fmt.Printf("%s: %s %v\n", prefs.Name(), value, err)
	// Output: __Host-prefs: dark <nil>
}
