package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
	_ "modernc.org/sqlite"
)

// hooks keeps signed events on disk before they are acknowledged, and has each handled once, also after a restart.
type hooks struct {
	box  *sqlite.Inbox
	db   *sql.DB
	temp string // folder to remove at the end

	mu      sync.Mutex
	waiting map[webhook.Key]chan struct{} // closed when the event was handled
}

// openHooks opens the ledger inbox.db in the folder data, or in a temporary one where data is empty.
func openHooks(data string) (h *hooks, err error) {
	h = &hooks{waiting: map[webhook.Key]chan struct{}{}}
	if data == "" {
		if h.temp, err = os.MkdirTemp("", "quickstart"); err != nil {
			return nil, err
		}
		data = h.temp
	}
	h.db, err = sql.Open("sqlite", "file:"+filepath.Join(data, "inbox.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err == nil {
		h.box, err = sqlite.Open(h.db, inbox.Config{})
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *hooks) close() error {
	var errs []error
	if h.box != nil {
		errs = append(errs, h.box.Close())
	}
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	if h.temp != "" {
		errs = append(errs, os.RemoveAll(h.temp))
	}
	return errors.Join(errs...)
}

// handle registers what is done for each event, of every provider and type.
func (h *hooks) handle(do func(context.Context, webhook.Event) error) error {
	handler := func(ctx context.Context, _ *sql.Tx, d *inbox.Delivery) error {
		if err := do(ctx, d.Event); err != nil {
			return err // it runs again, later
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if handled := h.waiting[d.Event.Key]; handled != nil {
			close(handled)
			delete(h.waiting, d.Event.Key)
		}
		return nil
	}
	return errors.Join(h.box.Handle("", "*", handler), h.box.Handle("", "", handler)) // the second for events without a type
}

// receive stores an event, which is all that an answer has to wait for. This one also waits a moment until it is handled, so that whoever sent
// it finds the page changed.
func (h *hooks) receive(ctx context.Context, e webhook.Event) error {
	handled := make(chan struct{})
	h.mu.Lock()
	if h.waiting[e.Key] == nil { // else a repeat overtakes the first, and need not wait
		h.waiting[e.Key] = handled
	}
	h.mu.Unlock()
	fresh, err := h.box.Accept(ctx, e)
	if fresh {
		select {
		case <-handled:
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[e.Key] == handled {
		delete(h.waiting, e.Key)
	}
	return err
}

// console shows what came and what became of it, to the user "operator" with the password.
func (h *hooks) console(password string) (http.Handler, error) {
	hash, err := security.HashPassword(password)
	if err != nil {
		return nil, err
	}
	access, accessErr := security.NewAccess(security.AccessConfig{
		Schemes: []security.Scheme{security.Basic{Users: map[string]string{"operator": hash}, Realm: "inbox"}},
	})
	pages, pagesErr := console.New(h.box, console.Config{Title: "Quickstart", Access: func(r *http.Request) (string, error) {
		if p, ok := security.PrincipalFrom(r.Context()); ok {
			return p.ID, nil
		}
		return "", errors.New("nobody is signed in")
	}})
	if err := errors.Join(accessErr, pagesErr); err != nil {
		return nil, err
	}
	return access.Wrap(pages), nil
}
