package main

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// session is what the cookie holds, sealed.
type session struct{ Token string }

// openSessions makes the keys of this run. An application keeps them, so that sessions outlive it.
func (a *app) openSessions(listen string) (err error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	keys, err := callback.NewKeyring(key)
	if err != nil {
		return err
	}
	if a.sessions, err = callback.NewSessions(callback.SessionsConfig[session]{Keys: keys, Name: "_token", Lifetime: 12 * time.Hour}); err != nil {
		return err
	}
	a.returnTo, err = callback.NewReturnTo(a.origin, listen)
	return err
}

// callback is the article's: a token and a place to go to, both in the URL. The place must be the application's own, and the
// cookie is sealed. That the token is the browser's own it cannot know, as Next.js's cannot: an application uses
// callback.New, which binds the return to the browser that began it and redeems each ticket once (examples/quickstart).
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	q := r.URL.Query()
	target, err := a.returnTo.ResolveFrom(r.URL.EscapedPath(), q.Get("redirect_url"))
	if token := q.Get("session_token"); err == nil && token == "" {
		err = callback.ErrTicketMissing
	} else if err == nil {
		err = a.sessions.Start(w, r, session{token})
	}
	if err != nil {
		callback.Refuse(w, r, err, "", nil)
		return
	}
	if strings.HasPrefix(target, "/") {
		target = a.origin + target
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusTemporaryRedirect)
}
