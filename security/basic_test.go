package security_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse/security"
)

// cheap is the hash of a password that costs little to verify.
func cheap(tb testing.TB, password string) string {
	tb.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	return string(h)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasic(t *testing.T) {
	argon, err := security.HashPassword("correct horse")
	if err != nil || !strings.HasPrefix(argon, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s, %v", argon, err)
	}
	scheme := security.Basic{
		Users:  map[string]string{"ann": argon, "bob": cheap(t, "pass:word é"), "long": cheap(t, strings.Repeat("x", 72))},
		Scopes: map[string][]string{"ann": {"read"}},
		Realm:  "shop",
	}
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{scheme}, MaxFailures: 1000})
	for _, row := range []struct {
		name, authorization string
		want                int
	}{
		{"argon2id", basic("ann", "correct horse"), 200},
		{"the same again, remembered", basic("ann", "correct horse"), 200},
		{"bcrypt, with a colon and not ASCII", basic("bob", "pass:word é"), 200},
		{"nothing", "", 401},
		{"a wrong password", basic("ann", "correct horsf"), 401},
		{"another user's password", basic("bob", "correct horse"), 401},
		{"an unknown user", basic("eve", "correct horse"), 401},
		{"a name in another case", basic("Ann", "correct horse"), 401},
		{"no name", basic("", "correct horse"), 401},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte("ann")), 401},
		{"no base64", "Basic ann:x", 401},
		{"base64url", "Basic " + strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte("ann:??>>")), "/", "_"), 401},
		{"a control character", basic("ann", "correct\x00 horse"), 401},
		{"bytes that are no UTF-8", basic("ann", "\xff"), 401},
		{"more than bcrypt looks at", basic("long", strings.Repeat("x", 73)), 401},
		{"a huge password", basic("ann", strings.Repeat("x", 1<<20)), 401},
	} {
		w := ask(access.Wrap(whoami), row.authorization)
		challenge := w.Header().Get("WWW-Authenticate")
		if w.Code != row.want || (row.want == 401) != (challenge == `Basic realm="shop", charset="UTF-8"`) {
			t.Errorf("%s: got %d %q", row.name, w.Code, challenge)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", basic("ann", "correct horse"))
	p, err := scheme.Authenticate(r)
	if err != nil || p.ID != "ann" || p.Scheme != "basic" || !p.Has("read") {
		t.Errorf("alone: %+v, %v", p, err)
	}
	if _, err := (security.Basic{}).Authenticate(r); err == nil || errors.Is(err, security.ErrCredentials) {
		t.Errorf("a zero Basic: %v", err)
	}
	if w := ask(access.Require("write")(whoami), basic("ann", "correct horse")); w.Code != 403 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("a scope too few: %d %v", w.Code, w.Header())
	}
	if got := (security.Basic{}).Challenge(security.ErrNoCredentials, nil); got != `Basic realm="api", charset="UTF-8"` {
		t.Errorf("the default realm: %s", got)
	}
}

// An attacker's guesses at one name stop from everywhere, and its owner is let in from where they came before.
func TestBasicThrottlesByNameWithoutLockingItsOwnerOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := newAccess(t, security.AccessConfig{
			Schemes:     []security.Scheme{security.Basic{Users: map[string]string{"ann": cheap(t, "password")}, RememberFor: -1}},
			MaxFailures: 3,
		})
		h := access.Wrap(whoami)
		if w := ask(h, basic("ann", "password"), "192.0.2.1:1"); w.Code != 200 {
			t.Fatalf("the owner: %d", w.Code)
		}
		for i := range 3 {
			if w := ask(h, basic("ann", "guess"), fmt.Sprintf("198.51.100.%d:1", i)); w.Code != 401 {
				t.Fatalf("guess %d: %d", i, w.Code)
			}
		}
		if w := ask(h, basic("ann", "password"), "198.51.100.9:1"); w.Code != 429 {
			t.Errorf("a fourth address: %d", w.Code)
		}
		if w := ask(h, basic("ann", "password"), "192.0.2.1:1"); w.Code != 200 {
			t.Errorf("the owner during the attack: %d", w.Code)
		}
		if w := ask(h, basic("bob", "guess"), "198.51.100.9:1"); w.Code != 401 {
			t.Errorf("another name: %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := ask(h, basic("ann", "password"), "198.51.100.9:1"); w.Code != 200 {
			t.Errorf("after the window: %d", w.Code)
		}
	})
}

// Guesses that are sent at once are counted at once, not when the first of them has failed.
func TestBasicCountsGuessesThatRunAtOnce(t *testing.T) {
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Basic{Users: map[string]string{"ann": cheap(t, "password")}}}, MaxFailures: 5})
	var mu sync.Mutex
	var wg sync.WaitGroup
	judged := 0
	for i := range 50 {
		wg.Go(func() {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = fmt.Sprintf("198.51.100.%d:1", i)
			r.Header.Set("Authorization", basic("ann", fmt.Sprint("guess", i)))
			if _, err := access.Check(r); errors.Is(err, security.ErrCredentials) {
				mu.Lock()
				judged++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if judged > 5 {
		t.Errorf("%d guesses were judged", judged)
	}
}

// A password that was right is not hashed again for a while, and not remembered for longer, nor without bound.
func TestBasicRemembersRightPasswords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := map[string]string{"ann": quickHash("password")}
		for i := range 4100 {
			users[fmt.Sprint("u", i)] = users["ann"]
		}
		access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Basic{Users: users, RememberFor: time.Second}}, MaxFailures: 1 << 20})
		check := func(ctx context.Context, name string) error {
			r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			r.Header.Set("Authorization", basic(name, "password"))
			_, err := access.Check(r)
			return err
		}
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		remembered := func(name string) bool { // for a client that is gone, no password is hashed
			return check(gone, name) == nil
		}
		if remembered("ann") {
			t.Error("it is remembered before it was ever right")
		}
		if err := check(context.Background(), "ann"); err != nil || !remembered("ann") {
			t.Errorf("it is not remembered: %v", err)
		}
		time.Sleep(2 * time.Second)
		if remembered("ann") {
			t.Error("it is remembered for longer than it may be")
		}
		_ = check(context.Background(), "ann")
		for i := range 4100 {
			if err := check(context.Background(), fmt.Sprint("u", i)); err != nil {
				t.Fatal(err)
			}
		}
		if remembered("ann") {
			t.Error("passwords are remembered without bound")
		}
	})
}

// quickHash is argon2id at the least cost.
func quickHash(password string) string {
	salt := []byte("somesalt")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	return "$argon2id$v=19$m=8,t=1,p=1$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}

func TestBasicDoesNotHashWithoutBound(t *testing.T) {
	slow, err := security.HashPassword("password")
	if err != nil {
		t.Fatal(err)
	}
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.Basic{Users: map[string]string{"ann": slow}, RememberFor: -1}}, MaxFailures: 1 << 20})
	var mu sync.Mutex
	var wg sync.WaitGroup
	busy, judged := 0, 0
	for range 120 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			r.Header.Set("Authorization", basic("ann", "guess"))
			_, err := access.Check(r)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, security.ErrBusy):
				busy++
			case errors.Is(err, security.ErrCredentials):
				judged++
			}
		})
	}
	wg.Wait()
	if busy == 0 || judged == 0 || busy+judged != 120 {
		t.Errorf("%d were busy, %d judged", busy, judged)
	}
}

func TestHashPasswordAndBasicReportMistakes(t *testing.T) {
	for _, password := range []string{"", "seven77", "control\x00s", "\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("x", 1025)} {
		if _, err := security.HashPassword(password); err == nil || strings.Contains(err.Error(), password) && password != "" {
			t.Errorf("%.20q: %v", password, err)
		}
	}
	if a, _ := security.HashPassword("eight888"); a == "" {
		t.Error("eight characters are enough")
	}
	bad := map[string]string{
		"plain":   "password",
		"md5":     "$apr1$x$y",
		"bcrypt":  "$2y$99$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"costly":  "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng",
		"params":  "$argon2id$v=19$m=8,t=1,p=1,x$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng",
		"version": "$argon2id$v=16$m=8,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng",
		"salt":    "$argon2id$v=19$m=8,t=1,p=1$c2E$MTIzNDU2Nzg5MDEyMzQ1Ng",
		"key":     "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$!",
		"a:b":     cheap(t, "password"),
		"":        cheap(t, "password"),
	}
	_, err := security.NewAccess(security.AccessConfig{Schemes: []security.Scheme{
		security.Basic{Users: bad, Realm: `"`, Scopes: map[string][]string{"eve": nil}},
		security.Basic{},
		security.MTLS{},
	}})
	want := `security: AccessConfig.Schemes[0].Users[""] must be a name of 1 to 256 bytes of UTF-8 without colons and control characters
security: AccessConfig.Schemes[0].Users["a:b"] must be a name of 1 to 256 bytes of UTF-8 without colons and control characters
security: AccessConfig.Schemes[0].Users["bcrypt"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["costly"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["key"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["md5"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["params"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["plain"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["salt"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Users["version"] must be a hash of HashPassword or of bcrypt
security: AccessConfig.Schemes[0].Scopes["eve"] must be of one of Users
security: AccessConfig.Schemes[0].Realm = "\"" must be printable ASCII without quotes and backslashes
security: AccessConfig.Schemes[1].Users must not be empty
security: AccessConfig.Schemes[2].Identify must not be nil`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v", err)
	}
}

func ExampleHashPassword() {
	hash, err := security.HashPassword("correct horse battery staple")
	if err != nil {
		fmt.Println(err)
		return
	}
	access, err := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Basic{Users: map[string]string{"ann": hash}}},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := security.PrincipalFrom(r.Context())
		fmt.Fprint(w, "hello ", p.ID)
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.SetBasicAuth("ann", "correct horse battery staple")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output: hello ann
}

func FuzzBasic(f *testing.F) {
	access := newAccess(f, security.AccessConfig{Schemes: []security.Scheme{security.Basic{Users: map[string]string{"ann": cheap(f, "password")}}}, MaxFailures: 1 << 30})
	for _, s := range []string{basic("ann", "password"), basic("ann", ""), "Basic", "Basic YW5u", "basic  " + base64.StdEncoding.EncodeToString([]byte("a:b:c"))} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", authorization)
		_, err := access.Check(r)
		user, password, ok := r.BasicAuth()
		if (err == nil) != (ok && user == "ann" && password == "password") && !strings.Contains(authorization, "  ") && !strings.HasSuffix(authorization, " ") {
			t.Fatalf("%q: %v", authorization, err)
		}
	})
}
