package callback

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
	"github.com/gatehouse-go/gatehouse/internal/scrub"
)

// Handler takes a browser's return from a third party: it redeems the ticket in the URL once, starts a session, and sends the
// browser on with 303. It is an endpoint: route GET to it, and POST too where Confirm is set. Make one with [New]; it is
// safe for concurrent use.
//
// Everything about the request is checked before the ticket is redeemed. A refused return never redirects: a browser gets a page that
// says what to do, a fetch gets problem+json ([Refuse]). HEAD redeems nothing. No answer is cached, and none passes its URL on.
//
// It SHOULD stand behind a rate limit, since each return may cost the third party's answer.
type Handler[U any] struct {
	config Config[U]
	flows  *Flows
	lines  *logsample.Refusals
	allow  string
}

const (
	maxTicket   = 4096     // bytes of a ticket
	maxForm     = 16 << 10 // bytes of a confirmation
	formTimeout = 10 * time.Second
)

// Sessions returns the sessions that the handler starts.
func (h *Handler[U]) Sessions() *Sessions[U] { return h.config.Sessions }

// Session returns the user of r's session; the error is [ErrNoSession] or [ErrStore]. It is short for h.Sessions().Session(r).
func (h *Handler[U]) Session(r *http.Request) (U, error) { return h.config.Sessions.Session(r) }

// Require passes only requests with a session to next. It is short for h.Sessions().Require(next).
func (h *Handler[U]) Require(next http.Handler) http.Handler { return h.config.Sessions.Require(next) }

// Start binds a flow to r's browser. It returns the parameters to add to the callback URL that the third party is given, or to the
// link in a mail: the flow's state, and the return target, which is r's parameter ReturnToParam, or Home, or "/". A third party that
// passes back nothing but a state can be given the state alone; the flow remembers the target.
//
// It sets a cookie and writes no answer. The error is [ErrQuery], [ErrPrefetch] or one of [ReturnTo.Resolve]; [Handler.Refuse] has the answer for it.
func (h *Handler[U]) Start(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	q, err := h.query(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	home := cmp.Or(h.config.Home, "/")
	raw := cmp.Or(h.named(q), home)
	target, err := h.resolve(r, raw)
	if err != nil {
		return nil, err
	}
	carried := target
	if target == home { // which is where a link without target leads
		carried = ""
	}
	state, err := h.flows.BeginFor(w, r, []byte(target), carried)
	if err != nil {
		return nil, err
	}
	return url.Values{h.config.StateParam: {state}, h.config.ReturnToParam: {target}}, nil
}

// named returns the return target that a request names. A script that had none to name sends the word for it.
func (h *Handler[U]) named(q url.Values) string {
	raw := q.Get(h.config.ReturnToParam)
	if raw == "null" || raw == "undefined" {
		return ""
	}
	return raw
}

// query parses a query or form in which each of the handler's parameters stands at most once.
func (h *Handler[U]) query(raw string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, ErrQuery
	}
	for _, name := range []string{h.config.TicketParam, h.config.ReturnToParam, h.config.StateParam, "error"} {
		if len(q[name]) > 1 {
			return nil, ErrQuery
		}
	}
	return q, nil
}

// ServeHTTP takes the return.
func (h *Handler[U]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	noStore(w.Header()) // also where OnError answers
	visit, err := h.read(w, r)
	if err == nil {
		if h.config.Confirm != nil && r.Method != http.MethodPost {
			err = h.confirm(w, r, visit)
		} else if err = h.complete(w, r, visit); err == nil {
			seeOther(w, visit.target)
		}
	}
	if err != nil {
		h.refuse(w, r, visit, err)
	}
}

// visit is one return as read from its request.
type visit struct {
	ticket, state string
	target        string // resolved, or "" while none is known
}

// read checks everything about the request that can be checked without redeeming the ticket.
func (h *Handler[U]) read(w http.ResponseWriter, r *http.Request) (v visit, err error) {
	raw := r.URL.RawQuery
	switch {
	case r.Method == http.MethodGet, r.Method == http.MethodHead && h.config.Confirm != nil:
	case r.Method == http.MethodPost && h.config.Confirm != nil:
		if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); lower(strings.TrimSpace(media)) != "application/x-www-form-urlencoded" {
			return v, ErrQuery
		}
		body, err := reqbody.Read(w, r, reqbody.Limits{Max: maxForm, Timeout: formTimeout})
		if err != nil {
			return v, errors.Join(err, ErrQuery) // the status of the first, the words of the second
		}
		raw = string(body)
	default:
		w.Header().Set("Allow", h.allow)
		return v, ErrMethod
	}
	q, err := h.query(raw)
	if err != nil {
		return v, err
	}
	v.ticket, v.state = q.Get(h.config.TicketParam), q.Get(h.config.StateParam)
	denied := q.Get("error") != ""
	named := h.named(q)
	if target, err := h.resolve(r, named); err == nil {
		v.target = target // so that a refusal keeps it
	} else {
		v.target = h.flows.Target(v.state)
	}
	switch {
	case v.ticket == "" && !denied:
		return v, ErrTicketMissing
	case len(v.ticket) > maxTicket:
		return v, ErrTicketInvalid
	}

	if h.config.InsecureUnsolicited && v.state == "" {
		// A form that another site submits would confirm what the person never saw. A flow's cookie does not come with such a form.
		if new(http.CrossOriginProtection).Check(r) != nil {
			return v, ErrCrossSite
		}
		if named == "" {
			named = h.config.Home
		}
	} else {
		begun, err := h.flows.Peek(r, v.state)
		named, v.target = cmp.Or(named, string(begun)), cmp.Or(v.target, string(begun))
		if err != nil {
			return v, err
		}
	}
	if denied {
		return v, ErrDenied
	}
	target, err := h.resolve(r, named)
	if err != nil {
		return v, err
	}
	v.target = target
	return v, nil
}

// resolve is [ReturnTo.ResolveFrom] for the path of r, and gives no target with an error.
func (h *Handler[U]) resolve(r *http.Request, raw string) (string, error) {
	target, err := h.config.ReturnTo.ResolveFrom(r.URL.EscapedPath(), raw)
	if err != nil {
		return "", err
	}
	return target, nil
}

// confirm answers with the page whose button does the rest.
func (h *Handler[U]) confirm(w http.ResponseWriter, r *http.Request, v visit) error {
	used, err := h.config.Marks.Spent(r.Context(), h.ticketMark(v))
	if err != nil {
		return storeFailed(err)
	}
	if used {
		return ErrUsed
	}
	text := h.config.Confirm
	p := Page{Status: http.StatusOK, Title: text.Title, Text: text.Text, Button: text.Button, Action: "?"} // this page, without its query
	p.Fields = []Field{{h.config.TicketParam, v.ticket}, {h.config.ReturnToParam, v.target}}
	if v.state != "" {
		p.Fields = append(p.Fields, Field{h.config.StateParam, v.state})
	}
	return p.Write(w, r, h.config.Page, h.config.ReturnTo.texts()...)
}

// ticketMark names a ticket to the MarkStore.
func (h *Handler[U]) ticketMark(v visit) string { return "ticket " + h.flows.prefix + v.ticket }

// complete redeems the ticket and starts the session. The flow stays open when that fails, for another try.
func (h *Handler[U]) complete(w http.ResponseWriter, r *http.Request, v visit) (err error) {
	if prefetch(r) {
		return ErrPrefetch
	}
	ctx := r.Context()
	var spent []string
	defer func() { // also when the application's func panics
		for _, name := range spent {
			if err := h.config.Marks.Release(context.WithoutCancel(ctx), name); err != nil {
				h.config.Logger.ErrorContext(ctx, "callback: a mark was not released: the person has to begin again", "error", err)
			}
		}
	}()
	names := []string{h.ticketMark(v)}
	if v.state != "" {
		names = append(names, h.flows.mark(v.state))
	}
	for _, name := range names {
		first, err := h.config.Marks.Spend(ctx, name, h.flows.lifetime+flowGrace)
		if err != nil {
			return storeFailed(err)
		}
		if !first {
			return ErrUsed
		}
		spent = append(spent, name)
	}
	user, err := h.config.Redeem(ctx, v.ticket)
	if err != nil {
		return err
	}
	spent = nil // what is redeemed stays used, whatever happens next
	if v.state != "" {
		h.flows.clear(w, v.state)
	}
	if h.config.Complete != nil {
		return h.config.Complete(w, r, user, v.target)
	}
	return h.config.Sessions.Start(w, r, user)
}

// Refuse answers an error of [Handler.Start] as the handler answers its own.
func (h *Handler[U]) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	h.refuse(w, r, visit{}, err)
}

func (h *Handler[U]) refuse(w http.ResponseWriter, r *http.Request, v visit, err error) {
	h.lines.Log(r.Context(), h.config.Logger, "callback refused", refusal.Status(err), scrub.Text(err.Error(), v.ticket, v.state))
	if h.config.OnError != nil {
		h.config.OnError(w, r, err)
		return
	}
	retry := h.config.Retry
	if retry != "" && v.target != "" {
		retry = withParam(retry, h.config.ReturnToParam, v.target)
	}
	Refuse(w, r, err, retry, h.config.Page)
}

// texts returns the allowed origins as text.
func (t *ReturnTo) texts() []string {
	out := make([]string, len(t.origins))
	for i, o := range t.origins {
		out[i] = o.text
	}
	return slices.Clip(out)
}
