package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"sync"

	"github.com/gatehouse-go/gatehouse/callback"
)

// thirdParty stands in for the service that people sign in with, so that the quickstart needs no other. It sends the browser
// back with a ticket that is good for one exchange.
type thirdParty struct {
	mu      sync.Mutex
	tickets map[string]string // ticket -> name
}

// signIn is the page of the third party. A real one would ask for a password first.
func (t *thirdParty) signIn(w http.ResponseWriter, r *http.Request) {
	ticket := rand.Text()
	t.mu.Lock()
	if len(t.tickets) > 1000 {
		clear(t.tickets)
	}
	t.tickets[ticket] = "ann"
	t.mu.Unlock()
	back := url.Values{"session_token": {ticket}, "redirect_url": {"/me"}, "state": {r.FormValue("state")}}
	http.Redirect(w, r, "/callback?"+back.Encode(), http.StatusSeeOther)
}

// redeem exchanges a ticket for a name, once.
func (t *thirdParty) redeem(_ context.Context, ticket string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.tickets[ticket]
	if !ok {
		return "", callback.ErrTicketInvalid
	}
	delete(t.tickets, ticket)
	return name, nil
}
