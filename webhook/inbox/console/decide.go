package console

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

const (
	maxForm   = 64 << 10
	maxReason = 500 // characters
)

// form reads the form of a POST. Its query does not count.
func (v *visit) form() (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, errFormSize
		}
		return nil, &mistake{"The form cannot be read."}
	}
	return v.r.PostForm, nil
}

// decisionForm reads the form of a decision, and what the ledger keeps beside it: the user and the form's words.
func (v *visit) decisionForm() (form url.Values, why inbox.Reason, err error) {
	if form, err = v.form(); err != nil {
		return nil, why, err
	}
	text := strings.TrimSpace(form.Get("why"))
	switch {
	case text == "":
		err = &mistake{"Say why: the ledger keeps the reason beside the decision."}
	case utf8.RuneCountInString(text) > maxReason:
		err = &mistake{"The reason is longer than " + strconv.Itoa(maxReason) + " characters."}
	}
	return form, inbox.Reason{By: v.user, Why: visible(text)}, err
}

func (v *visit) replayOne() error {
	return v.decideOne("replayed", v.console.ledger.Replay)
}

func (v *visit) discardOne() error {
	return v.decideOne("discarded", v.console.ledger.Discard)
}

// decideOne decides about the delivery of the path, and goes back to its page.
func (v *visit) decideOne(what string, decide decision) error {
	_, why, err := v.decisionForm()
	if err != nil {
		return err
	}
	back, err := filterOf(v.r.URL.Query())
	if err != nil {
		return err
	}
	n, err := decide(v.r.Context(), inbox.Selection{IDs: []int64{v.id}}, why)
	if err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	v.audit(what, why, "delivery", strconv.FormatInt(v.id, 10), "changed", n)
	v.redirectWith(deliveryLink(v.id, back), what, n)
	return nil
}

func (v *visit) pause() error {
	form, why, err := v.decisionForm()
	if err != nil {
		return err
	}
	provider, typ, err := typeOf(form)
	if err != nil {
		return err
	}
	if err := v.console.ledger.Pause(v.r.Context(), provider, typ, why); err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	v.audit("paused", why, "provider", provider, "type", typ)
	v.redirectWith("", "paused", 1)
	return nil
}

func (v *visit) resume() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	provider, typ, err := typeOf(form)
	if err != nil {
		return err
	}
	if err := v.console.ledger.Resume(v.r.Context(), provider, typ); err != nil {
		return withStatus(err, http.StatusServiceUnavailable)
	}
	v.audit("resumed", inbox.Reason{By: v.user}, "provider", provider, "type", typ)
	v.redirectWith("", "resumed", 1)
	return nil
}

func typeOf(form url.Values) (provider, typ string, err error) {
	provider, typ = form.Get("provider"), form.Get("type")
	if provider == "" || len(provider) > maxFilter || len(typ) > maxFilter {
		return "", "", &mistake{"The form names no type."}
	}
	return provider, typ, nil
}

// audit writes the line about a decision.
func (v *visit) audit(what string, why inbox.Reason, more ...any) {
	v.console.logger.InfoContext(v.r.Context(), "inbox operator decided", append([]any{"decision", what, "by", why.By, "why", why.Why}, more...)...)
}

// redirectWith goes to a page that says what was done. 303 makes the browser GET it.
func (v *visit) redirectWith(target, what string, n int64) {
	path, query, _ := strings.Cut(target, "?")
	q, _ := url.ParseQuery(query) // of our own making
	q.Set("notice", what)
	q.Set("n", strconv.FormatInt(n, 10))
	v.redirect(http.StatusSeeOther, v.base+path+"?"+q.Encode())
}

// notice is what the page says was done just before. The words are the console's own, so that a link cannot make it say others; one from
// another site makes it say nothing.
func (v *visit) notice() string {
	q := v.r.URL.Query()
	n, err := strconv.ParseUint(q.Get("n"), 10, 62)
	if err != nil || v.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return ""
	}
	many := "1 delivery was "
	if n != 1 {
		many = count(int64(n)) + " deliveries were "
	}
	switch what := q.Get("notice"); what {
	case "replayed":
		return many + "made pending again, due now."
	case "discarded":
		return many + "discarded."
	case "paused":
		return "The type is paused: its deliveries are stored, and not handled until it is resumed."
	case "resumed":
		return "The type is resumed."
	}
	return ""
}
