package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse/engines/postgres"
	"github.com/gatehouse-go/gatehouse/security"
	pages "github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

// console is the pages over box, for the user operator.
func console(box *postgres.Inbox, password string) (guarded http.Handler, closeStreams func(), err error) {
	hash, err := security.HashPassword(password)
	if err != nil {
		return nil, nil, fmt.Errorf("CONSOLE_PASSWORD: %w", err)
	}
	access, accessErr := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Basic{Users: map[string]string{"operator": hash}, Realm: "inbox"}},
	})
	c, consoleErr := pages.New(box, pages.Config{
		Title:      "Payments",
		HideFields: []string{"card_number", "/data/customer/email"},
		Access: func(r *http.Request) (string, error) {
			if p, ok := security.PrincipalFrom(r.Context()); ok {
				return p.ID, nil
			}
			return "", errors.New("nobody is signed in")
		},
	})
	if err := errors.Join(accessErr, consoleErr); err != nil {
		return nil, nil, err
	}
	return access.Wrap(c), c.Close, nil
}
