package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// operator is the one user of the console.
const operator = "operator"

// pages is the console over box, behind a password: the one given, or one of this run, which is printed.
func pages(box *sqlite.Inbox, addr, password string) (guarded http.Handler, closeStreams func(), err error) {
	if password == "" {
		password = rand.Text()
		fmt.Fprintf(os.Stderr, "console: http://%s/console/ user %s, password of this run %s\n", addr, operator, password)
	}
	hash, err := security.HashPassword(password)
	if err != nil {
		return nil, nil, fmt.Errorf("CONSOLE_PASSWORD: %w", err)
	}
	access, accessErr := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Basic{Users: map[string]string{operator: hash}, Realm: "inbox"}},
	})
	c, consoleErr := console.New(box, console.Config{
		Title:      "Payments",
		Access:     signedIn,
		HideFields: []string{"card_number", "/data/customer/email"},
	})
	if err := errors.Join(accessErr, consoleErr); err != nil {
		return nil, nil, err
	}
	return access.Wrap(c), c.Close, nil
}

// signedIn is who the access check in front of the console found.
func signedIn(r *http.Request) (string, error) {
	if p, ok := security.PrincipalFrom(r.Context()); ok {
		return p.ID, nil
	}
	return "", errors.New("nobody is signed in")
}
