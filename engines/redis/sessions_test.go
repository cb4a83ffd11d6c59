package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func sessionsOn(t *testing.T, e *redis.Engine, most int) *redis.Sessions {
	t.Helper()
	s, err := e.NewSessions(redis.SessionsConfig{MaxPerUser: most})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionsKeepTheContract(t *testing.T) {
	s := start(t)
	var p prefixes
	callbacktest.TestSessionStore(t, func(t *testing.T) callback.SessionStore {
		t.Helper()
		return sessionsOn(t, s.engine(p.next), 0)
	})
}

func sessionRecord(id string, lives time.Duration, links ...string) callback.SessionRecord {
	now := time.Now()
	return callback.SessionRecord{ID: id, Links: links, Data: []byte("{}"), Created: now, Expires: now.Add(lives), Ends: now.Add(2 * lives)}
}

func TestARevokedSessionIsRefusedByEveryInstanceAtOnce(t *testing.T) {
	server := start(t)
	const instances = 4
	stores := make([]*redis.Sessions, instances)
	for i := range stores {
		stores[i] = sessionsOn(t, server.engine(), 0)
	}
	for round := range 20 {
		id := strconv.Itoa(round)
		if err := stores[0].Put(t.Context(), sessionRecord(id, time.Hour, "user:ann")); err != nil {
			t.Fatal(err)
		}
		for i, s := range stores {
			if _, found, err := s.Get(t.Context(), id); !found || err != nil {
				t.Errorf("instance %d does not find the session: %v", i, err)
			}
		}
		if n, err := stores[round%instances].DeleteLinked(t.Context(), "user:ann"); n != 1 || err != nil {
			t.Errorf("DeleteLinked = %d, %v", n, err)
		}
		for i, s := range stores {
			if _, found, err := s.Get(t.Context(), id); found || err != nil {
				t.Errorf("instance %d finds a session that was ended: %v", i, err)
			}
			if err := s.Extend(t.Context(), id, time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}
	}
	if n, _ := server.do("DBSIZE").AsInt64(); n != 0 {
		t.Errorf("%d keys are left of sessions that were ended", n)
	}
}

func TestOneUserCrowdsOutHisOwnSessions(t *testing.T) {
	s := sessionsOn(t, start(t).engine(), 3)
	for i, lives := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour, 4 * time.Hour} {
		if err := s.Put(t.Context(), sessionRecord(strconv.Itoa(i), lives, "user:ann", "tenant:a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), sessionRecord("other", time.Hour, "user:bob", "tenant:a")); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string][]string{"user:ann": {"0", "2", "3"}, "tenant:a": {"0", "2", "3", "other"}} {
		list, err := s.ListLinked(t.Context(), link)
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if slices.Sort(ids); err != nil || !slices.Equal(ids, want) {
			t.Errorf("%s: %v, %v, want %v", link, ids, err, want)
		}
	}
}

// A session that is extended lives longer than its user's others, and is crowded out after them.
func TestAnExtendedSessionIsCrowdedOutLast(t *testing.T) {
	s := sessionsOn(t, start(t).engine(), 2)
	put := func(id string, lives time.Duration) {
		if err := s.Put(t.Context(), sessionRecord(id, lives, "user:ann", "sid:"+id)); err != nil {
			t.Fatal(err)
		}
	}
	put("kept", 50*time.Minute)
	put("first", time.Hour)
	if err := s.Extend(t.Context(), "kept", time.Now().Add(80*time.Minute)); err != nil {
		t.Fatal(err)
	}
	put("third", 2*time.Hour)
	for id, want := range map[string]bool{"kept": true, "first": false, "third": true} {
		if _, found, err := s.Get(t.Context(), id); found != want || err != nil {
			t.Errorf("%s: %v, %v", id, found, err)
		}
	}
}

func TestSessionsLeaveNothingBehind(t *testing.T) {
	server := start(t)
	s := sessionsOn(t, server.engine(), 0)
	for i := range 20 {
		if err := s.Put(t.Context(), sessionRecord(strconv.Itoa(i), 100*time.Millisecond, "user:ann", "sid:"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), sessionRecord("over", -time.Second, "user:bob")); err != nil {
		t.Error(err)
	}
	if _, found, err := s.Get(t.Context(), "over"); found || err != nil {
		t.Errorf("a session that was over when it was put: %v, %v", found, err)
	}
	eventually(t, "everything has expired", func() bool { n, _ := server.do("DBSIZE").AsInt64(); return n == 0 })
}

func TestALinkForgetsExpiredSessionsWhenAnotherBegins(t *testing.T) {
	server := start(t)
	s := sessionsOn(t, server.engine(), 0)
	for i := range 10 {
		rec := sessionRecord(strconv.Itoa(i), time.Hour, "user:ann")
		rec.Expires = time.Now().Add(50 * time.Millisecond) // idle, long before its end
		if err := s.Put(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if err := s.Put(t.Context(), sessionRecord("new", time.Hour, "user:ann")); err != nil {
		t.Fatal(err)
	}
	keys, _ := server.do("KEYS", "*link:user:ann").AsStrSlice()
	if len(keys) != 1 {
		t.Fatalf("keys: %q", keys)
	}
	if n, _ := server.do("ZCARD", keys[0]).AsInt64(); n != 1 {
		t.Errorf("the link has %d sessions, want 1", n)
	}
}

func TestARecordOfAnotherMakeIsAnError(t *testing.T) {
	server := start(t)
	s := sessionsOn(t, server.engine(), 0)
	if err := s.Put(t.Context(), sessionRecord("a", time.Hour, "user:ann")); err != nil {
		t.Fatal(err)
	}
	keys, _ := server.do("KEYS", "*id:a").AsStrSlice()
	server.do("HDEL", keys[0], "c")
	if _, found, err := s.Get(t.Context(), "a"); found || err == nil {
		t.Errorf("Get: %v, %v", found, err)
	}
	if list, err := s.ListLinked(t.Context(), "user:ann"); list != nil || err == nil {
		t.Errorf("ListLinked: %v, %v", list, err)
	}
}

func TestSessionsSayThatTheServerIsOut(t *testing.T) {
	server := start(t)
	s := sessionsOn(t, server.engine(), 0)
	server.kill()
	_, _, get := s.Get(t.Context(), "a")
	_, deleteLinked := s.DeleteLinked(t.Context(), "user:ann")
	_, listLinked := s.ListLinked(t.Context(), "user:ann")
	for name, err := range map[string]error{
		"Put": s.Put(t.Context(), sessionRecord("a", time.Hour)), "Get": get, "Extend": s.Extend(t.Context(), "a", time.Now().Add(time.Hour)),
		"SetData": s.SetData(t.Context(), "a", nil), "Delete": s.Delete(t.Context(), "a"), "DeleteLinked": deleteLinked, "ListLinked": listLinked,
	} {
		if !errors.Is(err, redis.ErrOut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewSessionsRefusesANegativeBound(t *testing.T) {
	e := engineAt(t, func(c *redis.Config) { c.Addresses = []string{"127.0.0.1:1"} })
	if _, err := e.NewSessions(redis.SessionsConfig{MaxPerUser: -1}); err == nil || err.Error() != "redis: SessionsConfig.MaxPerUser = -1 must be at least 1" {
		t.Error(err)
	}
}

// A browser is asked for by two instances while the server goes away and comes back.
func TestSessionsAreRefusedNotAssumedInAnOutage(t *testing.T) {
	server := start(t)
	keys, err := callback.NewKeyring([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, name := range []string{"one", "two"} {
		sessions, err := callback.NewSessions(callback.SessionsConfig[string]{
			Keys: keys, Subject: func(user string) string { return user }, InsecureHTTP: true, Logger: slog.New(slog.DiscardHandler),
			Store: sessionsOn(t, server.engine(func(c *redis.Config) { c.Timeout = 200 * time.Millisecond }), 0),
		})
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			if err := sessions.Start(w, r, "ann"); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			switch user, err := sessions.Session(r); {
			case errors.Is(err, callback.ErrStore):
				w.WriteHeader(http.StatusServiceUnavailable)
			case err != nil || user != "ann":
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
	}
	site := httptest.NewServer(mux)
	defer site.Close()
	jar, _ := cookiejar.New(nil)
	browser := http.Client{Jar: jar}
	status := func(method, path string) int {
		r, _ := http.NewRequest(method, site.URL+path, nil)
		res, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, step := range []struct {
		method, path string
		want         int
	}{{"GET", "/two", 401}, {"POST", "/one", 200}, {"GET", "/two", 200}} {
		eventually(t, "the server is reached", func() bool {
			got := status(step.method, step.path)
			if got != step.want && got != 503 { // as of a machine that is busy for longer than the engine waits
				t.Fatalf("%s %s before the outage: %d", step.method, step.path, got)
			}
			return got == step.want
		})
	}
	server.signal(syscall.SIGSTOP)
	for range 10 {
		if got := []int{status("GET", "/one"), status("GET", "/two")}; !slices.Equal(got, []int{503, 503}) {
			t.Errorf("during the outage: %v", got)
		}
	}
	server.signal(syscall.SIGCONT)
	eventually(t, "the session is found again", func() bool { return status("GET", "/one") == 200 && status("GET", "/two") == 200 })
	if site, _ := url.Parse(site.URL); len(jar.Cookies(site)) == 0 {
		t.Error("the outage cost the browser its cookie")
	}
}

func TestAMarkIsSpentOnce(t *testing.T) {
	server := start(t)
	const instances = 8
	first := make(chan string, 100*instances)
	done := make(chan error, instances)
	for i := range instances {
		marks := server.engine().NewMarks()
		go func() {
			var failed error
			for n := range 100 {
				name := "ticket:" + strconv.Itoa((n*(i+1))%100)
				ok, err := marks.Spend(t.Context(), name, time.Hour)
				if failed = errors.Join(failed, err); ok {
					first <- name
				}
			}
			done <- failed
		}()
	}
	for range instances {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	close(first)
	seen := map[string]bool{}
	for name := range first {
		if seen[name] {
			t.Errorf("%s was spent twice", name)
		}
		seen[name] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 were spent", len(seen))
	}
	keys, _ := server.do("KEYS", "*").AsStrSlice()
	if strings.Contains(strings.Join(keys, " "), "ticket") || len(keys) != 100 {
		t.Errorf("%d keys, or names that can be read in them", len(keys))
	}
}

func TestAMarkIsForgottenAfterItsTime(t *testing.T) {
	marks := start(t).engine().NewMarks()
	if first, err := marks.Spend(t.Context(), "a", 50*time.Millisecond); !first || err != nil {
		t.Fatal(first, err)
	}
	eventually(t, "the mark is forgotten", func() bool { first, _ := marks.Spend(t.Context(), "a", time.Hour); return first })
	if first, err := marks.Spend(t.Context(), "a", time.Hour); first || err != nil {
		t.Error(first, err)
	}
	for _, wrong := range []time.Duration{0, -1, 1 << 62} {
		if first, err := marks.Spend(t.Context(), "b", wrong); first || err == nil {
			t.Errorf("keep %v: %v, %v", wrong, first, err)
		}
	}
}

func TestAMarkIsNotSpentWithoutTheServer(t *testing.T) {
	server := start(t)
	marks := server.engine().NewMarks()
	server.kill()
	if first, err := marks.Spend(context.Background(), "a", time.Hour); first || !errors.Is(err, redis.ErrOut) {
		t.Error(first, err)
	}
}
