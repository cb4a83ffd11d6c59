package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// signIn adds to mux the way to a third party and back, and a page for those who came back.
func signIn(mux *http.ServeMux, origin string, key []byte, marks callback.MarkStore, logger *slog.Logger) {
	keys := must(callback.NewKeyring(key))
	third := &thirdParty{keys: keys, marks: marks}
	login := must(callback.New(callback.Config[string]{
		Redeem: third.redeem, ReturnTo: must(callback.NewReturnTo(origin)), Keys: keys, Marks: marks, Retry: "/login", Logger: logger,
	}))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		params, err := login.Start(w, r)
		if err != nil {
			login.Refuse(w, r, err)
			return
		}
		http.Redirect(w, r, "/thirdparty?"+params.Encode(), http.StatusSeeOther) //nolint:gosec // a path of this server
	})
	mux.HandleFunc("GET /thirdparty", third.signIn)
	mux.Handle("/callback", login)
	mux.Handle("GET /me", login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := callback.SessionFrom[string](r.Context())
		answer(w, map[string]string{"signed_in_as": name}, nil)
	})))
}

// thirdParty stands in for the service that people sign in with, so that the quickstart needs no other. It sends the browser
// back with a ticket that is good for one exchange. A ticket is sealed, so that any instance can read it.
type thirdParty struct {
	keys  *callback.Keyring
	marks callback.MarkStore
}

const (
	ticketPurpose  = "ticket"
	ticketLifetime = time.Minute
)

// signIn is the page of the third party. A real one would ask for a password first.
func (t *thirdParty) signIn(w http.ResponseWriter, r *http.Request) {
	ticket := t.keys.Seal(ticketPurpose, "thirdparty", []byte(rand.Text()+" ann"), time.Now().Add(ticketLifetime))
	back := url.Values{"session_token": {ticket}, "redirect_url": {"/me"}, "state": {r.FormValue("state")}}
	http.Redirect(w, r, "/callback?"+back.Encode(), http.StatusSeeOther)
}

// redeem exchanges a ticket for a name, once.
func (t *thirdParty) redeem(ctx context.Context, ticket string) (string, error) {
	value, _, err := t.keys.Open(ticketPurpose, "thirdparty", ticket)
	const serial = 26 // of rand.Text
	if err != nil || len(value) <= serial {
		return "", callback.ErrTicketInvalid
	}
	first, err := t.marks.Spend(ctx, "thirdparty "+string(value[:serial]), ticketLifetime)
	if err != nil {
		return "", err
	}
	if !first {
		return "", callback.ErrTicketInvalid
	}
	return string(value[serial+1:]), nil
}
