package callback_test

import (
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

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

// net/http removes a form's files by the request that it made, and what logs around the sessions reads the pattern there.
func TestWhatTheHandlerLeftIsHandedBack(t *testing.T) {
	s, j := sessions(t, callback.SessionsConfig[user]{}), jar{}
	signIn(t, s, j, "Ana")
	for name, wrap := range map[string]func(http.Handler) http.Handler{"Require": s.Require, "Wrap": s.Wrap} {
		r, form := j.request(), &multipart.Form{}
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			r.Pattern, r.MultipartForm = "POST /a", form
		})).ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "POST /a" || r.MultipartForm != form {
			t.Errorf("%s: %q, %v", name, r.Pattern, r.MultipartForm)
		}
	}
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
		s := sessions(t, callback.SessionsConfig[user]{LoginPath: tt.login})
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

func TestOnErrorAnswersForSessions(t *testing.T) {
	s := sessions(t, callback.SessionsConfig[user]{OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
		w.WriteHeader(418)
		fmt.Fprint(w, err)
	}})
	if status, _ := visit(s, jar{}); status != 418 {
		t.Errorf("%d", status)
	}
}
