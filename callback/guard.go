package callback

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

// sessionKey is the context key of the current user of type U.
type sessionKey[U any] struct{}

// current is the value of that key: the user, and whose session it is.
type current[U any] struct {
	sessions *Sessions[U]
	user     U
}

// SessionFrom returns the user that [Sessions.Require] or [Sessions.Wrap] found for the request of ctx.
func SessionFrom[U any](ctx context.Context) (U, bool) {
	c, ok := ctx.Value(sessionKey[U]{}).(current[U])
	return c.user, ok
}

// Require passes only requests with a session to next, which finds the user with [SessionFrom]. The session is renewed when it is
// limited by Idle.
//
// A browser that asks for a page is sent to LoginPath with 303 and the page to return to; a fetch, a form, and everything without LoginPath
// is answered 401. Place it behind whatever bounds and filters requests, and before what needs the user.
func (s *Sessions[U]) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, err := s.load(w, r)
		if err == nil {
			next.ServeHTTP(w, inner)
			reqcopy.HandBack(r, inner)
			return
		}
		if target := s.loginFor(r); target != "" && errors.Is(err, ErrNoSession) && (r.Method == http.MethodGet || r.Method == http.MethodHead) && WantsPage(r) {
			w.Header().Add("Vary", "Accept, Sec-Fetch-Mode")
			seeOther(w, target)
			return
		}
		s.refuse(w, r, err)
	})
}

// Wrap is Require for pages that are also for those not signed in: next runs in any case, unless the store failed.
func (s *Sessions[U]) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, err := s.load(w, r)
		if err != nil && !errors.Is(err, ErrNoSession) {
			s.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, inner)
		reqcopy.HandBack(r, inner)
	})
}

// load renews the session of r and returns r with its user in the context.
func (s *Sessions[U]) load(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	h := w.Header()
	h.Add("Vary", "Cookie")
	n, err := s.read(r)
	if err != nil {
		return r, err
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private") // next may say more
	}
	if err := s.renew(w, r, n); err != nil {
		return r, err
	}
	return r.WithContext(context.WithValue(r.Context(), sessionKey[U]{}, current[U]{s, n.user})), nil
}

// renew moves the idle end on, at most ten times an idle period.
//
// Renewals do not race with each other or with a logout: they never write the session itself. A store only moves the end of a record
// that still exists, and never back; without one, a second cookie says when the session was seen, and is worth nothing alone.
func (s *Sessions[U]) renew(w http.ResponseWriter, r *http.Request, n session[U]) error {
	if s.config.Idle == 0 || time.Until(n.expires) > s.config.Idle-s.config.Idle/10 {
		return nil
	}
	end := s.idleEnd(n.ends)
	if s.config.Store == nil {
		return s.seen.setUntil(w, n.id[:], end)
	}
	if err := s.config.Store.Extend(r.Context(), storeID(n.id), end); err != nil {
		return s.unavailable(r.Context(), err)
	}
	return nil
}

// loginFor returns the URL at which the person signs in to come back to r's page, or "" without LoginPath.
func (s *Sessions[U]) loginFor(r *http.Request) string {
	if s.config.LoginPath == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return s.config.LoginPath
	}
	page := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		page += "?" + r.URL.RawQuery
	}
	var local ReturnTo
	if _, err := local.Resolve(page); err != nil { // it would be refused as a return target later
		return s.config.LoginPath
	}
	return withParam(s.config.LoginPath, s.config.ReturnToParam, page)
}

// withParam returns path with one more parameter.
func withParam(path, name, value string) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + url.QueryEscape(name) + "=" + url.QueryEscape(value)
}

func (s *Sessions[U]) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if s.config.OnError != nil {
		s.config.OnError(w, r, err)
		return
	}
	Refuse(w, r, err, s.loginFor(r), s.config.Page)
}

// prefetch reports whether a browser asks for a page that nobody has opened: by Sec-Purpose, or by its forerunners.
func prefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		purpose, _, _ := strings.Cut(r.Header.Get(name), ";")
		switch lower(strings.TrimSpace(purpose)) {
		case "prefetch", "preview":
			return true
		}
	}
	return false
}

// seeOther answers 303 to target, which is written as it is: [http.Redirect] would clean its path once more.
func seeOther(w http.ResponseWriter, target string) {
	h := w.Header()
	noStore(h)
	h["Location"] = []string{target}
	w.WriteHeader(http.StatusSeeOther)
}
