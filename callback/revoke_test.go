package callback_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

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
	if err := s.Rotate(w, linked.request(), user{"Cleo, admin"}); err != nil {
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

// broken is a store that is down, but for what its MemorySessions is asked first.
type broken struct{ callback.SessionStore }

var errDown = errors.New("dial tcp 10.0.0.7:6379: refused")

func (broken) Put(context.Context, callback.SessionRecord) error { return errDown }

func (broken) Get(context.Context, string) (callback.SessionRecord, bool, error) {
	return callback.SessionRecord{}, false, errDown
}

func (broken) Delete(context.Context, string) error { return errDown }

func (broken) DeleteLinked(context.Context, string) (int, error) { return 0, errDown }

func (broken) ListLinked(context.Context, string) ([]callback.SessionRecord, error) {
	return nil, errDown
}

// halfBroken reads and writes, but extends and deletes nothing.
type halfBroken struct{ *callback.MemorySessions }

func (halfBroken) Extend(context.Context, string, time.Time) error { return errDown }

func (halfBroken) Delete(context.Context, string) error { return errDown }

func (halfBroken) SetData(context.Context, string, []byte) error { return errDown }

func TestStoreThatIsDownLetsNobodyIn(t *testing.T) {
	good := memory(t, 10)
	j := jar{}
	signIn(t, sessions(t, callback.SessionsConfig[user]{Store: good}), j, "Ana")
	var log strings.Builder
	s, err := callback.NewSessions(callback.SessionsConfig[user]{
		Keys: keyring(t, secret(1)), Store: broken{}, Subject: func(u user) string { return u.Name }, LoginPath: "/login", Logger: logTo(&log),
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

// slowStore lets something happen before a record is put.
type slowStore struct {
	callback.SessionStore
	before func()
	down   bool
}

func (s *slowStore) Put(ctx context.Context, rec callback.SessionRecord) error {
	if s.before != nil {
		s.before()
	}
	return s.SessionStore.Put(ctx, rec)
}

func (s *slowStore) Get(ctx context.Context, id string) (callback.SessionRecord, bool, error) {
	if s.down {
		return callback.SessionRecord{}, false, errors.New("down")
	}
	return s.SessionStore.Get(ctx, id)
}

func TestChangeDoesNotReviveARevokedSession(t *testing.T) {
	store := &slowStore{SessionStore: memory(t, 10)}
	s, j := sessions(t, callback.SessionsConfig[user]{Store: store}), jar{}
	signIn(t, s, j, "Ana")
	store.before = func() { // while the change is under way
		if n, err := s.RevokeUser(t.Context(), "Ana"); n != 1 || err != nil {
			t.Errorf("%d sessions ended, %v", n, err)
		}
	}
	w := httptest.NewRecorder()
	if err := s.Rotate(w, j.request(), user{"Ana"}); !errors.Is(err, callback.ErrNoSession) {
		t.Errorf("Rotate: %v", err)
	}
	j.take(w)
	if list, err := s.List(t.Context(), "Ana"); len(list) != 0 || err != nil {
		t.Errorf("sessions left: %v, %v", list, err)
	}
	if status, _ := visit(s, j); status != 401 {
		t.Errorf("the browser: %d", status)
	}

	store.before = nil
	signIn(t, s, j, "Ana")
	store.before = func() { store.down = true }
	if err := s.Rotate(httptest.NewRecorder(), j.request(), user{"Ana"}); !errors.Is(err, callback.ErrStore) {
		t.Errorf("with a store that goes down: %v", err)
	}
	if list, _ := s.List(t.Context(), "Ana"); len(list) != 1 {
		t.Errorf("%d sessions, want the old one alone", len(list))
	}
}
