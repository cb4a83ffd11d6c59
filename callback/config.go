package callback

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
)

// Config configures a [Handler] whose users are of type U.
type Config[U any] struct {
	// Redeem exchanges a ticket for the user it stands for. Required. It is given what the third party sent, unchecked, and must take each
	// ticket once; the handler passes it one ticket once at a time. It returns [ErrTicketInvalid], [ErrExpired], [ErrUsed] or
	// [ErrDenied] for what the person should know, a [Reason] of its own, or any other error, which is answered with the status
	// its StatusCode method gives, or 500.
	Redeem func(ctx context.Context, ticket string) (U, error)

	// ReturnTo says where the browser may be sent afterwards. Required.
	ReturnTo *ReturnTo

	// Keys seals flows, and the session where Sessions is nil. Required.
	Keys *Keyring

	// Sessions holds the session that a return starts. Nil means sessions of 12 hours, whole in a sealed cookie named "__Host-session".
	Sessions *Sessions[U]

	// Complete, if not nil, takes the place of starting a session: for a payment return, say. It may set headers and cookies and must not
	// write the answer; the browser goes on to target unless it returns an error.
	Complete func(w http.ResponseWriter, r *http.Request, user U, target string) error

	// Confirm, if not nil, answers GET with a page whose button POSTs, and redeems only then: for links in mail, which scanners
	// and previews open before the person does.
	Confirm *Confirm

	// Home is the path to go to where no return target is named. Empty means that a return without target is refused with 400.
	Home string

	// Retry is the path where a person begins again after a refusal; it gets the return target as parameter ReturnToParam. Empty
	// means no link.
	Retry string

	// TicketParam, ReturnToParam and StateParam are the names of the parameters. Empty means "session_token", "redirect_url" and "state".
	TicketParam, ReturnToParam, StateParam string

	// FlowName begins the names of the flows' cookies, and FlowLifetime is how long a flow may take. Zero means "flow" and 10
	// minutes. Two handlers on one host need two names.
	FlowName     string
	FlowLifetime time.Duration

	// Marks remembers which tickets and flows were used, for FlowLifetime and an hour. Nil means that this process alone does: where
	// several answer for one host, two of them can then be asked to redeem one ticket at once, and Redeem alone decides.
	Marks MarkStore

	// InsecureUnsolicited accepts a return that this browser did not begin with [Handler.Start]. Anybody who has a ticket of their own
	// can then sign another person's browser in as themselves (login CSRF).
	InsecureUnsolicited bool

	// InsecureHTTP drops Secure and the __Host- prefix from cookies, for development over plain HTTP.
	InsecureHTTP bool

	// Page replaces the pages; its data is a [Page]. Nil means the package's own.
	Page *template.Template

	// OnError replaces the answer to a refused return. Nil means [Refuse].
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the cause of each refusal, without ticket or state; a flood is logged in samples. Nil means slog.Default().
	Logger *slog.Logger
}

// Confirm is the wording of the page with which a person confirms.
type Confirm struct {
	Title  string // empty means "Continue?"
	Text   string // empty means "Press the button to go on."
	Button string // empty means "Continue"
}

// New returns a Handler, or every mistake in c at once.
func New[U any](c Config[U]) (*Handler[U], error) {
	bad := invalid.Config{Package: "callback"}
	if c.Redeem == nil {
		bad.Hidden("Config.Redeem", "is required")
	}
	if c.ReturnTo == nil {
		bad.Hidden("Config.ReturnTo", "is required")
	}
	if c.Keys == nil {
		bad.Hidden("Config.Keys", "is required")
	}
	checkLocal(&bad, "Config.Home", c.Home)
	checkLocal(&bad, "Config.Retry", c.Retry)
	for _, p := range []struct {
		field, standard string
		name            *string
	}{{"TicketParam", "session_token", &c.TicketParam}, {"ReturnToParam", "redirect_url", &c.ReturnToParam}, {"StateParam", "state", &c.StateParam}} {
		if *p.name == "" {
			*p.name = p.standard
		}
	}
	if c.TicketParam == c.ReturnToParam || c.TicketParam == c.StateParam || c.ReturnToParam == c.StateParam {
		bad.Hidden("Config.TicketParam, ReturnToParam and StateParam", "must differ")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.Marks == nil {
		c.Marks = defaultMarks()
	}
	flows, err := NewFlows(FlowsConfig{Keys: c.Keys, Name: c.FlowName, Lifetime: c.FlowLifetime, Marks: c.Marks, InsecureHTTP: c.InsecureHTTP})
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Sessions == nil {
		var err2 error
		c.Sessions, err2 = NewSessions(SessionsConfig[U]{Keys: c.Keys, LoginPath: c.Retry, ReturnToParam: c.ReturnToParam, InsecureHTTP: c.InsecureHTTP, Page: c.Page, Logger: c.Logger})
		err = errors.Join(err, err2)
	}
	if err != nil {
		return nil, err
	}
	h := &Handler[U]{config: c, flows: flows, lines: logsample.NewRefusals(), allow: "GET"}
	if c.Confirm != nil {
		text := *c.Confirm
		for _, p := range []struct {
			text     *string
			standard string
		}{{&text.Title, "Continue?"}, {&text.Text, "Press the button to go on."}, {&text.Button, "Continue"}} {
			if *p.text == "" {
				*p.text = p.standard
			}
		}
		h.config.Confirm = &text
		h.allow = "GET, HEAD, POST"
	}
	return h, nil
}
