package callback_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func sessions(tb testing.TB, c callback.SessionsConfig[user]) *callback.Sessions[user] {
	tb.Helper()
	if c.Keys == nil {
		c.Keys = keyring(tb, secret(1))
	}
	if c.Store != nil && c.Subject == nil {
		c.Subject = func(u user) string { return u.Name }
	}
	c.Logger = logTo(new(strings.Builder))
	s, err := callback.NewSessions(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func memory(tb testing.TB, size int) *callback.MemoryStore {
	tb.Helper()
	m, err := callback.NewMemoryStore(size)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// signIn starts a session in the browser whose cookies j holds.
func signIn(tb testing.TB, s *callback.Sessions[user], j jar, name string, links ...string) {
	tb.Helper()
	w := httptest.NewRecorder()
	if err := s.Start(w, j.request(), user{name}, links...); err != nil {
		tb.Fatal(err)
	}
	j.take(w)
}

// visit requests a page behind Require and returns the status and the user that the page saw.
func visit(s *callback.Sessions[user], j jar) (int, string) {
	name := ""
	w := httptest.NewRecorder()
	s.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		u, _ := callback.SessionFrom[user](r.Context())
		name = u.Name
	})).ServeHTTP(w, j.request())
	j.take(w)
	return w.Code, name
}

// both runs a test with sealed-cookie sessions and with a store.
func both(t *testing.T, test func(t *testing.T, c callback.SessionsConfig[user])) {
	t.Helper()
	t.Run("sealed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, callback.SessionsConfig[user]{}) })
	})
	t.Run("stored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, callback.SessionsConfig[user]{Store: memory(t, 100)}) })
	})
}

func TestSessionLivesAndEnds(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		s, j := sessions(t, c), jar{}
		if _, err := s.Session(j.request()); !errors.Is(err, callback.ErrNoSession) {
			t.Errorf("before: %v", err)
		}
		signIn(t, s, j, "Ana")
		if u, err := s.Session(j.request()); u.Name != "Ana" || err != nil {
			t.Errorf("Session = %v, %v", u, err)
		}
		w := httptest.NewRecorder()
		if err := s.End(w, j.request()); err != nil {
			t.Fatal(err)
		}
		j.take(w)
		if status, _ := visit(s, j); status != 401 || len(j) != 0 {
			t.Errorf("after: %d, %v", status, j)
		}
	})
}

func TestSessionEndsWithItsLifetime(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		c.Lifetime = time.Hour
		s, j := sessions(t, c), jar{}
		signIn(t, s, j, "Ana")
		time.Sleep(time.Hour - time.Second)
		if status, _ := visit(s, j); status != 200 {
			t.Errorf("a second before: %d", status)
		}
		time.Sleep(time.Second)
		if status, _ := visit(s, j); status != 401 {
			t.Errorf("after: %d", status)
		}
	})
}

func TestIdleSessionEnds(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		c.Lifetime, c.Idle = time.Hour, 10*time.Minute
		s, j := sessions(t, c), jar{}
		signIn(t, s, j, "Ana")
		for range 6 { // kept alive to the end of its lifetime
			time.Sleep(9 * time.Minute)
			if status, name := visit(s, j); status != 200 || name != "Ana" {
				t.Fatalf("seen every 9 minutes: %d", status)
			}
		}
		time.Sleep(6*time.Minute + time.Second)
		if status, _ := visit(s, j); status != 401 {
			t.Errorf("renewed beyond its lifetime: %d", status)
		}
		signIn(t, s, j, "Ana")
		time.Sleep(10 * time.Minute)
		if status, _ := visit(s, j); status != 401 {
			t.Errorf("idle: %d", status)
		}
	})
}

func TestRenewalIsRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := sessions(t, callback.SessionsConfig[user]{Idle: 10 * time.Minute}), jar{}
		signIn(t, s, j, "Ana")
		seen := j["__Host-session-seen"]
		time.Sleep(59 * time.Second)
		visit(s, j)
		if j["__Host-session-seen"] != seen {
			t.Error("renewed within a tenth of the idle time")
		}
		time.Sleep(2 * time.Second)
		visit(s, j)
		if j["__Host-session-seen"] == seen {
			t.Error("not renewed after a tenth of the idle time")
		}
	})
}

// TestRenewalDoesNotReviveAnEndedSession lets a slow page's answer arrive after the logout of another tab.
func TestRenewalDoesNotReviveAnEndedSession(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		c.Idle = 10 * time.Minute
		s, j := sessions(t, c), jar{}
		signIn(t, s, j, "Ana")
		time.Sleep(5 * time.Minute)
		slow := httptest.NewRecorder()
		s.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			logout := httptest.NewRecorder()
			if err := s.End(logout, j.request()); err != nil {
				t.Fatal(err)
			}
			j.take(logout)
		})).ServeHTTP(slow, j.request())
		j.take(slow)
		if status, _ := visit(s, j); status != 401 {
			t.Errorf("%d, cookies %v", status, j)
		}
	})
}

func TestSeenCookieOfAnotherSessionKeepsNothingAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old, fresh := sessions(t, callback.SessionsConfig[user]{Idle: 10 * time.Minute}), jar{}, jar{}
		signIn(t, s, old, "Ana")
		time.Sleep(time.Hour)
		signIn(t, s, fresh, "Ana")
		old["__Host-session-seen"] = fresh["__Host-session-seen"]
		if status, _ := visit(s, old); status != 401 {
			t.Errorf("%d", status)
		}
	})
}

func TestSessionGetsANewIDAtLoginAndChange(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		c.Lifetime = time.Hour
		s, j := sessions(t, c), jar{}
		id := func() string {
			t.Helper()
			id, err := s.ID(j.request())
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		signIn(t, s, j, "Ana")
		first, planted := id(), maps.Clone(j)
		signIn(t, s, j, "Ana")
		second := id()
		time.Sleep(30 * time.Minute)
		w := httptest.NewRecorder()
		if err := s.Change(w, j.request(), user{"Ana, admin"}); err != nil {
			t.Fatal(err)
		}
		j.take(w)
		if third := id(); first == second || second == third {
			t.Errorf("ids: %s, %s, %s", first, second, third)
		}
		if _, name := visit(s, j); name != "Ana, admin" {
			t.Errorf("after the change: %s", name)
		}
		if c.Store != nil {
			if status, _ := visit(s, planted); status != 401 {
				t.Errorf("the id from before the login: %d", status)
			}
		}
		time.Sleep(30 * time.Minute)
		if status, _ := visit(s, j); status != 401 {
			t.Errorf("the change prolonged the session: %d", status)
		}
		if err := s.Change(httptest.NewRecorder(), jar{}.request(), user{}); !errors.Is(err, callback.ErrNoSession) {
			t.Errorf("change without session: %v", err)
		}
	})
}

func TestUpdateKeepsTheID(t *testing.T) {
	both(t, func(t *testing.T, c callback.SessionsConfig[user]) {
		t.Helper()
		c.Lifetime = time.Hour
		s, j := sessions(t, c), jar{}
		signIn(t, s, j, "Ana")
		before, _ := s.ID(j.request())
		time.Sleep(30 * time.Minute)
		w := httptest.NewRecorder()
		if err := s.Update(w, j.request(), user{"Ana B."}); err != nil {
			t.Fatal(err)
		}
		j.take(w)
		if after, err := s.ID(j.request()); after != before || err != nil {
			t.Errorf("id %s became %s, %v", before, after, err)
		}
		if _, name := visit(s, j); name != "Ana B." {
			t.Errorf("after the update: %s", name)
		}
		time.Sleep(30 * time.Minute)
		if err := s.Update(httptest.NewRecorder(), j.request(), user{}); !errors.Is(err, callback.ErrNoSession) {
			t.Errorf("the update prolonged the session: %v", err)
		}
	})
}

func TestUpdateDoesNotReviveAStoredSession(t *testing.T) {
	m := memory(t, 10)
	if err := m.SetData(t.Context(), "gone", []byte("x")); err != nil || has(t, m, "gone") {
		t.Errorf("%v", err)
	}
}

func TestRevocation(t *testing.T) {
	s := sessions(t, callback.SessionsConfig[user]{Store: memory(t, 100)})
	phone, laptop, linked, ben := jar{}, jar{}, jar{}, jar{}
	signIn(t, s, phone, "Ana")
	signIn(t, s, laptop, "Ana")
	signIn(t, s, linked, "Cleo", "sid:7")
	signIn(t, s, ben, "Ben")
	ctx := t.Context()

	list, err := s.List(ctx, "Ana")
	if err != nil || len(list) != 2 {
		t.Fatalf("List = %v, %v", list, err)
	}
	if id, err := s.ID(phone.request()); id != list[0].ID || err != nil || list[0].Expires.Before(list[0].Created) {
		t.Errorf("the first of %v is not %s", list, id)
	}
	if err := s.Revoke(ctx, list[0].ID); err != nil {
		t.Fatal(err)
	}
	if status, _ := visit(s, phone); status != 401 {
		t.Errorf("revoked by id: %d", status)
	}
	if status, _ := visit(s, laptop); status != 200 {
		t.Errorf("the other one: %d", status)
	}
	if n, err := s.RevokeUser(ctx, "Ana"); n != 1 || err != nil {
		t.Errorf("RevokeUser = %d, %v", n, err)
	}
	if status, _ := visit(s, laptop); status != 401 {
		t.Errorf("revoked by user: %d", status)
	}
	w := httptest.NewRecorder()
	if err := s.Change(w, linked.request(), user{"Cleo, admin"}); err != nil {
		t.Fatal(err)
	}
	linked.take(w)
	if n, err := s.RevokeLinked(ctx, "sid:7"); n != 1 || err != nil {
		t.Errorf("RevokeLinked after a change = %d, %v", n, err)
	}
	if n, err := s.RevokeLinked(ctx, "sid:8"); n != 0 || err != nil {
		t.Errorf("RevokeLinked of nothing = %d, %v", n, err)
	}
	if status, name := visit(s, ben); status != 200 || name != "Ben" {
		t.Errorf("another user: %d %s", status, name)
	}
}

func TestSealedSessionsCannotBeRevoked(t *testing.T) {
	s := sessions(t, callback.SessionsConfig[user]{})
	_, err := s.List(t.Context(), "Ana")
	_, err2 := s.RevokeUser(t.Context(), "Ana")
	for _, err := range []error{err, err2, s.Revoke(t.Context(), "x")} {
		if !errors.Is(err, callback.ErrNoStore) {
			t.Errorf("%v", err)
		}
	}
}

func TestCookieOfOneKindOfSessionIsNoOther(t *testing.T) {
	sealed, stored := sessions(t, callback.SessionsConfig[user]{}), sessions(t, callback.SessionsConfig[user]{Store: memory(t, 100)})
	a, b := jar{}, jar{}
	signIn(t, sealed, a, "Ana")
	signIn(t, stored, b, "Ana")
	if status, _ := visit(sealed, b); status != 401 {
		t.Errorf("a stored session read as sealed: %d", status)
	}
	if status, _ := visit(stored, a); status != 401 {
		t.Errorf("a sealed session read as stored: %d", status)
	}
}

func TestSessionOfAnotherShapeIsNone(t *testing.T) {
	keys := keyring(t, secret(1))
	numbers, err := callback.NewSessions(callback.SessionsConfig[int]{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	w, j := httptest.NewRecorder(), jar{}
	if err := numbers.Start(w, j.request(), 7); err != nil {
		t.Fatal(err)
	}
	j.take(w)
	if _, err := sessions(t, callback.SessionsConfig[user]{Keys: keys}).Session(j.request()); !errors.Is(err, callback.ErrNoSession) {
		t.Errorf("%v", err)
	}
	short := cookie(t, callback.CookieConfig{Keys: keys, Name: "session"})
	w, j = httptest.NewRecorder(), jar{}
	if err := short.Set(w, []byte("short")); err != nil {
		t.Fatal(err)
	}
	j.take(w)
	if _, err := numbers.Session(j.request()); !errors.Is(err, callback.ErrNoSession) {
		t.Errorf("%v", err)
	}
}

func TestSessionValueThatCannotBeKept(t *testing.T) {
	keys := keyring(t, secret(1))
	channels, err := callback.NewSessions(callback.SessionsConfig[chan int]{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := channels.Start(httptest.NewRecorder(), jar{}.request(), nil); err == nil {
		t.Error("a channel was kept")
	}
	late, err := callback.NewSessions(callback.SessionsConfig[later]{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	w, j := httptest.NewRecorder(), jar{}
	if err := late.Start(w, j.request(), later{}); err != nil {
		t.Fatal(err)
	}
	j.take(w)
	if err := late.Update(w, j.request(), later{fail: true}); err == nil {
		t.Error("what cannot be encoded was kept")
	}
	s := sessions(t, callback.SessionsConfig[user]{})
	if err := s.Start(httptest.NewRecorder(), jar{}.request(), user{strings.Repeat("a", 3000)}); !errors.Is(err, callback.ErrCookieTooLarge) {
		t.Errorf("3000 bytes in a cookie: %v", err)
	}
	if err := sessions(t, callback.SessionsConfig[user]{Store: memory(t, 1)}).Start(httptest.NewRecorder(), jar{}.request(), user{strings.Repeat("a", 3000)}); err != nil {
		t.Errorf("3000 bytes in a store: %v", err)
	}
}

// later is a value that can be encoded only while fail is not set.
type later struct{ fail bool }

func (l later) MarshalJSON() ([]byte, error) {
	if l.fail {
		return nil, errors.New("fails")
	}
	return []byte("{}"), nil
}

func TestRequireSendsPagesToTheLogin(t *testing.T) {
	const html = "text/html"
	for _, tt := range []struct {
		name, method, target, accept string
		login                        string
		status                       int
		location                     string
	}{
		{"a page", "GET", "/a%2Fb?c=1&d=2", html, "/login", 303, "/login?return_to=%2Fa%252Fb%3Fc%3D1%26d%3D2"},
		{"a page's HEAD", "HEAD", "/a", html, "/login", 303, "/login?return_to=%2Fa"},
		{"a login with a query", "GET", "/a", html, "/login?x=1", 303, "/login?x=1&return_to=%2Fa"},
		{"a page whose address is no safe target", "GET", "http://h//evil.example", html, "/login", 303, "/login"},
		{"a fetch", "GET", "/a", "application/json", "/login", 401, ""},
		{"a form", "POST", "/a", html, "/login", 401, ""},
		{"a page without a login", "GET", "/a", html, "", 401, ""},
	} {
		s := sessions(t, callback.SessionsConfig[user]{Login: tt.login})
		r := httptest.NewRequest(tt.method, tt.target, nil)
		r.Header.Set("Accept", tt.accept)
		w := httptest.NewRecorder()
		s.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("passed") })).ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("Location") != tt.location || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %v", tt.name, w.Code, w.Header().Get("Location"), w.Header())
		}
	}
}

func TestWrapPassesEverybody(t *testing.T) {
	s, j := sessions(t, callback.SessionsConfig[user]{}), jar{}
	page := s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := callback.SessionFrom[user](r.Context())
		fmt.Fprint(w, u.Name, ok)
	}))
	w := httptest.NewRecorder()
	page.ServeHTTP(w, j.request())
	if w.Body.String() != "false" || w.Header().Get("Vary") != "Cookie" || w.Header().Get("Cache-Control") != "" {
		t.Errorf("nobody: %s %v", w.Body, w.Header())
	}
	signIn(t, s, j, "Ana")
	w = httptest.NewRecorder()
	page.ServeHTTP(w, j.request())
	if w.Body.String() != "Anatrue" || w.Header().Get("Cache-Control") != "private" {
		t.Errorf("Ana: %s %v", w.Body, w.Header())
	}
}

func TestSessionsDoNotMistakeEachOther(t *testing.T) {
	people, staff := sessions(t, callback.SessionsConfig[user]{}), sessions(t, callback.SessionsConfig[user]{Name: "staff"})
	j := jar{}
	signIn(t, people, j, "Ana")
	people.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if u, err := staff.Session(r); !errors.Is(err, callback.ErrNoSession) {
			t.Errorf("a visitor's session counts as staff's: %v, %v", u, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), j.request())
}

// broken is a store that is down, but for what its MemoryStore is asked first.
type broken struct{ callback.SessionStore }

var errDown = errors.New("dial tcp 10.0.0.7:6379: refused")

func (broken) Put(context.Context, callback.SessionRecord) error { return errDown }
func (broken) Get(context.Context, string) (callback.SessionRecord, bool, error) {
	return callback.SessionRecord{}, false, errDown
}
func (broken) Delete(context.Context, string) error              { return errDown }
func (broken) DeleteLinked(context.Context, string) (int, error) { return 0, errDown }
func (broken) ListLinked(context.Context, string) ([]callback.SessionRecord, error) {
	return nil, errDown
}

// halfBroken reads and writes, but extends and deletes nothing.
type halfBroken struct{ *callback.MemoryStore }

func (halfBroken) Extend(context.Context, string, time.Time) error { return errDown }
func (halfBroken) Delete(context.Context, string) error            { return errDown }
func (halfBroken) SetData(context.Context, string, []byte) error   { return errDown }

func TestStoreThatIsDownLetsNobodyIn(t *testing.T) {
	good := memory(t, 10)
	j := jar{}
	signIn(t, sessions(t, callback.SessionsConfig[user]{Store: good}), j, "Ana")
	var log strings.Builder
	s, err := callback.NewSessions(callback.SessionsConfig[user]{
		Keys: keyring(t, secret(1)), Store: broken{}, Subject: func(u user) string { return u.Name }, Login: "/login", Logger: logTo(&log),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Handler{"Require": s.Require(nil), "Wrap": s.Wrap(nil)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, j.request())
		if w.Code != 503 || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if !strings.Contains(log.String(), "10.0.0.7") {
		t.Errorf("log: %s", log.String())
	}
	w := httptest.NewRecorder()
	_, err1 := s.Session(j.request())
	_, err2 := s.ID(j.request())
	_, err3 := s.List(t.Context(), "Ana")
	_, err4 := s.RevokeUser(t.Context(), "Ana")
	for i, err := range []error{err1, err2, err3, err4, s.Revoke(t.Context(), "x"), s.Start(w, j.request(), user{"Ana"}), s.End(w, j.request())} {
		if !errors.Is(err, callback.ErrStore) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestStoreThatCannotRenewOrDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := sessions(t, callback.SessionsConfig[user]{Store: halfBroken{memory(t, 10)}, Idle: 10 * time.Minute}), jar{}
		signIn(t, s, j, "Ana")
		if err := s.Start(httptest.NewRecorder(), j.request(), user{"Ana"}); !errors.Is(err, callback.ErrStore) {
			t.Errorf("the session from before could not be ended: %v", err)
		}
		if err := s.Update(httptest.NewRecorder(), j.request(), user{"Ana"}); !errors.Is(err, callback.ErrStore) {
			t.Errorf("update: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if status, _ := visit(s, j); status != 503 {
			t.Errorf("renewal: %d", status)
		}
	})
}

func TestOnErrorAnswersForSessions(t *testing.T) {
	s := sessions(t, callback.SessionsConfig[user]{OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		w.WriteHeader(418)
		fmt.Fprint(w, err)
	}})
	if status, _ := visit(s, jar{}); status != 418 {
		t.Errorf("%d", status)
	}
}

func TestNewSessionsReportsEveryMistake(t *testing.T) {
	_, err := callback.NewSessions(callback.SessionsConfig[user]{Store: memory(t, 1), Lifetime: time.Millisecond, Idle: time.Second, Login: "login", Name: "a b"})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 6 {
		t.Errorf("%d mistakes: %v", n, err)
	}
	if _, err := callback.NewMemoryStore(0); err == nil {
		t.Error("a store of nothing was accepted")
	}
}

func ExampleNewSessions() {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		panic(err)
	}
	store, err := callback.NewMemoryStore(100_000)
	if err != nil {
		panic(err)
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[user]{
		Keys: keys, Store: store, Subject: func(u user) string { return u.Name },
		Lifetime: 12 * time.Hour, Idle: 30 * time.Minute, Login: "/login",
	})
	if err != nil {
		panic(err)
	}
	login := httptest.NewRecorder()
	if err := sessions.Start(login, httptest.NewRequest("POST", "/login", nil), user{"Ana"}); err != nil {
		panic(err)
	}

	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(login.Result().Cookies()[0])
	fmt.Println(sessions.Session(r))
	fmt.Println(sessions.RevokeUser(context.Background(), "Ana"))
	fmt.Println(sessions.Session(r))
	// Output:
	// {Ana} <nil>
	// 1 <nil>
	// {} callback: no session
}
