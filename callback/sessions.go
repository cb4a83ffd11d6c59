package callback

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// SessionsConfig configures [Sessions] of users of type U. U is kept as JSON.
type SessionsConfig[U any] struct {
	// Keys seals the session's cookie. Required.
	Keys *Keyring

	// Store keeps the sessions on the server, and the cookie holds only their id. Nil means that the whole session is in the sealed
	// cookie: nothing to run and shared by all processes, but limited to about 2700 bytes of JSON, and a session that somebody
	// copied from the browser ends only with its lifetime.
	Store SessionStore

	// Subject names the user of a session, so that all of a user's sessions can be listed and ended. Required with Store, else unused.
	Subject func(U) string

	// Lifetime is how long a session lasts in all. Zero means 12 hours; at most 400 days.
	Lifetime time.Duration

	// Idle ends a session after that long without a request through [Sessions.Require] or [Sessions.Wrap]. Zero means that only
	// Lifetime ends it; else at least a minute, at most Lifetime.
	Idle time.Duration

	// LoginPath is the path where a person signs in, and Require sends one who is not. It gets the page to return to as parameter
	// ReturnToParam. Empty means that Require answers 401.
	LoginPath string

	// ReturnToParam is the parameter of LoginPath. Empty means "return_to".
	ReturnToParam string

	// Name is the name of the cookie, without prefix. Empty means "session".
	Name string

	// InsecureHTTP drops Secure and the __Host- prefix, for development over plain HTTP.
	InsecureHTTP bool

	// Page replaces the page that a refused browser sees; its data is a [Page]. Nil means the package's own.
	Page *template.Template

	// OnError replaces the answer to a refused request. Nil means [Refuse].
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets what went wrong in the store. Nil means slog.Default().
	Logger *slog.Logger
}

// Sessions remembers who a browser belongs to. Make one with [NewSessions]; it is safe for concurrent use.
//
// The cookie is sealed, HttpOnly, Secure, SameSite=Lax and "__Host-". A session gets a new id whenever it starts or is rotated, so that
// an id planted before a login is worth nothing after it.
type Sessions[U any] struct {
	config SessionsConfig[U]
	cookie *Cookie
	seen   *Cookie // holds the id of the session it keeps from being idle; nil without Idle or with a store
}

// NewSessions returns Sessions, or every mistake in c at once.
func NewSessions[U any](c SessionsConfig[U]) (*Sessions[U], error) {
	bad := invalid.Config{Package: "callback"}
	if c.Keys == nil {
		bad.Hidden("SessionsConfig.Keys", "is required")
	}
	if c.Store != nil && c.Subject == nil {
		bad.Hidden("SessionsConfig.Subject", "is required with Store")
	}
	if c.Lifetime == 0 {
		c.Lifetime = 12 * time.Hour
	}
	if c.Lifetime < time.Second || c.Lifetime > 400*24*time.Hour {
		bad.Field("SessionsConfig.Lifetime", c.Lifetime, "must be from 1s to 9600h")
	}
	if c.Idle != 0 && (c.Idle < time.Minute || c.Idle > c.Lifetime) {
		bad.Field("SessionsConfig.Idle", c.Idle, "must be at least 1m and at most Lifetime")
	}
	checkLocal(&bad, "SessionsConfig.LoginPath", c.LoginPath)
	if c.ReturnToParam == "" {
		c.ReturnToParam = "return_to"
	}
	if c.Name == "" {
		c.Name = "session"
	}
	checkName(&bad, "SessionsConfig.Name", c.Name)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Sessions[U]{config: c}
	var err, err2 error
	s.cookie, err = NewCookie(CookieConfig{Keys: c.Keys, Name: c.Name, Lifetime: c.Lifetime, InsecureHTTP: c.InsecureHTTP})
	if c.Idle > 0 && c.Store == nil {
		s.seen, err2 = NewCookie(CookieConfig{Keys: c.Keys, Name: c.Name + "-seen", Lifetime: c.Idle, InsecureHTTP: c.InsecureHTTP})
	}
	return s, errors.Join(err, err2)
}

// checkLocal notes path unless it is empty or a path of this server that a link can be built on.
func checkLocal(c *invalid.Config, field, path string) {
	if path == "" {
		return
	}
	var local ReturnTo
	if got, err := local.Resolve(path); err != nil || got != path {
		c.Field(field, path, "must be a plain path such as /login")
	}
}

// session is what Sessions knows of one request's session.
type session[U any] struct {
	id      [sessionIDSize]byte
	user    U
	created time.Time
	expires time.Time // the idle end
	ends    time.Time // the absolute end
	links   []string
	follows *[sessionIDSize]byte // the session that this one takes the place of
}

const (
	sessionIDSize   = 16
	sessionHeadSize = sessionIDSize + 8
)

// Start begins a session of user and sets its cookie; a session that the browser had ends. Links are further names by which
// [Sessions.RevokeLinked] ends it, kept only with a store. Call it before the answer is written; it sets "Cache-Control: no-store",
// since no cache may keep the cookie. The error is [ErrCookieTooLarge], or what the store or the encoding of U said.
func (s *Sessions[U]) Start(w http.ResponseWriter, r *http.Request, user U, links ...string) error {
	now := time.Now()
	return s.begin(w, r, session[U]{user: user, created: now, ends: now.Add(s.config.Lifetime), links: links})
}

// Rotate gives the browser's session a new id and another user value, as a change of privileges wants. Links and the end of the
// absolute lifetime stay. The error is [ErrNoSession] where there is no session, or one of [Sessions.Start].
func (s *Sessions[U]) Rotate(w http.ResponseWriter, r *http.Request, user U) error {
	old, err := s.read(r)
	if err != nil {
		return err
	}
	links := old.links
	if len(links) > 0 {
		links = links[1:] // the first is the user's, and is made anew
	}
	return s.begin(w, r, session[U]{user: user, created: old.created, ends: old.ends, links: links, follows: &old.id})
}

// Update keeps another user value in r's session, under the same id: for what the session remembers, such as refreshed tokens. Two
// updates at once leave one of both values. It cannot revive a session that has ended, except one in a sealed cookie, where an
// update that is under way while the browser signs out brings it back. The error is [ErrNoSession], or one of [Sessions.Start].
func (s *Sessions[U]) Update(w http.ResponseWriter, r *http.Request, user U) error {
	n, err := s.read(r)
	if err != nil {
		return err
	}
	data, err := json.Marshal(user)
	if err != nil {
		return fmt.Errorf("callback: session value: %w", err)
	}
	if s.config.Store != nil {
		if err := s.config.Store.SetData(r.Context(), storeID(n.id), data); err != nil {
			return s.unavailable(r.Context(), err)
		}
		return nil
	}
	return s.cookie.setUntil(w, s.sealed(n, data), n.ends)
}

// sealed returns what the cookie of a session without store contains.
func (s *Sessions[U]) sealed(n session[U], data []byte) []byte {
	value := binary.BigEndian.AppendUint64(n.id[:], uint64(max(0, n.created.Unix())))
	return append(value, data...)
}

func (s *Sessions[U]) begin(w http.ResponseWriter, r *http.Request, n session[U]) error {
	data, err := json.Marshal(n.user)
	if err != nil {
		return fmt.Errorf("callback: session value: %w", err)
	}
	_, _ = rand.Read(n.id[:]) // never fails (crypto/rand)
	value := n.id[:]
	if s.config.Store != nil {
		rec := SessionRecord{ID: storeID(n.id), Links: append([]string{userLink(s.config.Subject(n.user))}, n.links...), Data: data, Created: n.created, Expires: s.idleEnd(n.ends), Ends: n.ends}
		if err := s.config.Store.Put(r.Context(), rec); err != nil {
			return s.unavailable(r.Context(), err)
		}
		if err := s.follow(r.Context(), rec.ID, n.follows); err != nil {
			return err
		}
		if err := s.drop(r); err != nil {
			return err
		}
	} else {
		value = s.sealed(n, data)
	}
	if err := s.cookie.setUntil(w, value, n.ends); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	if s.seen != nil {
		return s.seen.Set(w, n.id[:])
	}
	return nil
}

// follow ends the new session where the one that it follows has ended meanwhile: what ended that by user or link may not have seen the
// new one.
func (s *Sessions[U]) follow(ctx context.Context, id string, old *[sessionIDSize]byte) error {
	if old == nil {
		return nil
	}
	_, found, err := s.config.Store.Get(ctx, storeID(*old))
	if err == nil && found {
		return nil
	}
	if err := errors.Join(err, s.config.Store.Delete(ctx, id)); err != nil {
		return s.unavailable(ctx, err)
	}
	return ErrNoSession
}

// idleEnd returns when a session that is seen now ends if it is not seen again.
func (s *Sessions[U]) idleEnd(ends time.Time) time.Time {
	if idle := time.Now().Add(s.config.Idle); s.config.Idle > 0 && idle.Before(ends) {
		return idle
	}
	return ends
}

// Session returns the user of r's session. The error is [ErrNoSession], or, where the store cannot tell, [ErrStore].
// It does not renew the session: [Sessions.Require] and [Sessions.Wrap] do.
func (s *Sessions[U]) Session(r *http.Request) (U, error) {
	if c, ok := r.Context().Value(sessionKey[U]{}).(current[U]); ok && c.sessions == s {
		return c.user, nil
	}
	n, err := s.read(r)
	return n.user, err
}

// ID returns the id of r's session as [Sessions.List] shows it and [Sessions.Revoke] takes it. The error is one of [Sessions.Session].
func (s *Sessions[U]) ID(r *http.Request) (string, error) {
	n, err := s.read(r)
	if err != nil {
		return "", err
	}
	return storeID(n.id), nil
}

func (s *Sessions[U]) read(r *http.Request) (n session[U], err error) {
	value, ends, err := s.cookie.get(r)
	if err != nil || len(value) < sessionIDSize {
		return session[U]{}, ErrNoSession
	}
	n.id = [sessionIDSize]byte(value)
	n.ends, n.expires = ends, ends
	var data []byte
	if s.config.Store != nil {
		rec, found, err := s.config.Store.Get(r.Context(), storeID(n.id))
		if err != nil {
			return session[U]{}, s.unavailable(r.Context(), err)
		}
		if !found {
			return session[U]{}, ErrNoSession
		}
		data, n.created, n.expires, n.links = rec.Data, rec.Created, rec.Expires, rec.Links
	} else {
		if len(value) < sessionHeadSize {
			return session[U]{}, ErrNoSession
		}
		data = value[sessionHeadSize:]
		n.created = time.Unix(int64(binary.BigEndian.Uint64(value[sessionIDSize:])&(1<<62-1)), 0)
		if s.seen != nil {
			seen, expires, err := s.seen.get(r)
			if err != nil || string(seen) != string(n.id[:]) {
				return session[U]{}, ErrNoSession
			}
			n.expires = expires
		}
	}
	if err := json.Unmarshal(data, &n.user); err != nil { // U changed its shape since: the person signs in again
		return session[U]{}, ErrNoSession
	}
	return n, nil
}

// End ends r's session, in the browser and in the store. No session is no error. The error is [ErrStore]; the browser's cookies are
// dropped even then.
func (s *Sessions[U]) End(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	s.cookie.Clear(w)
	if s.seen != nil {
		s.seen.Clear(w)
	}
	return s.drop(r)
}

// drop deletes the record of the session that r's cookie names.
func (s *Sessions[U]) drop(r *http.Request) error {
	value, err := s.cookie.Get(r)
	if s.config.Store == nil || err != nil || len(value) < sessionIDSize {
		return nil //nolint:nilerr // a cookie that does not open names no session
	}
	if err := s.config.Store.Delete(r.Context(), storeID([sessionIDSize]byte(value))); err != nil {
		return s.unavailable(r.Context(), err)
	}
	return nil
}

// unavailable logs what the store said, and returns ErrStore.
func (s *Sessions[U]) unavailable(ctx context.Context, err error) error {
	s.config.Logger.ErrorContext(ctx, "session store failed", "error", err)
	return ErrStore
}

// storeID hashes what the browser holds.
func storeID(id [sessionIDSize]byte) string {
	sum := sha256.Sum256(id[:])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func userLink(subject string) string { return "user:" + subject }
