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

func memory(tb testing.TB, size int) *callback.MemorySessions {
	tb.Helper()
	m, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: size})
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
	if w.Header().Get("Cache-Control") != "no-store" {
		tb.Errorf("a cache may keep the session: %v", w.Header())
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
		if err := s.Rotate(w, j.request(), user{"Ana, admin"}); err != nil {
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
		if err := s.Rotate(httptest.NewRecorder(), jar{}.request(), user{}); !errors.Is(err, callback.ErrNoSession) {
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

func TestNewSessionsReportsEveryMistake(t *testing.T) {
	_, err := callback.NewSessions(callback.SessionsConfig[user]{Store: memory(t, 1), Lifetime: time.Millisecond, Idle: time.Second, LoginPath: "login", Name: "a b"})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 6 {
		t.Errorf("%d mistakes: %v", n, err)
	}
	if _, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: -1}); err == nil {
		t.Error("a negative bound was accepted")
	}
}

func ExampleNewSessions() {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		panic(err)
	}
	store, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 100_000})
	if err != nil {
		panic(err)
	}
	sessions, err := callback.NewSessions(callback.SessionsConfig[user]{
		Keys: keys, Store: store, Subject: func(u user) string { return u.Name },
		Lifetime: 12 * time.Hour, Idle: 30 * time.Minute, LoginPath: "/login",
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
