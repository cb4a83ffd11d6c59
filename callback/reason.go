package callback

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// A Reason is why a return was refused: an error with a status, and with words for the person in front of the browser.
// Reasons are compared by identity with [errors.Is]. An application may make its own and return them from its Redeem func.
type Reason struct { //nolint:errname // a reason is more than an error: callers make them, and the person reads them
	// Text is the error's text, for logs. It names no secret.
	Text string

	// Status is the HTTP status of the answer, 400 to 599.
	Status int

	// Title and Cause are shown in the page, and sent as title and detail of the problem. Cause says what the person can do.
	Title, Cause string
}

// Error returns the reason for logs.
func (r *Reason) Error() string { return r.Text }

// StatusCode returns the status of the answer.
func (r *Reason) StatusCode() int { return r.Status }

// Reasons for which [ReturnTo] refuses a target. All have status 400.
var (
	ErrTargetMissing   error = badTarget("callback: return target is missing")
	ErrTargetTooLong   error = badTarget("callback: return target is longer than 2048 bytes")
	ErrTargetCharacter error = badTarget("callback: return target has a control, space, backslash or invalid UTF-8")
	ErrTargetScheme    error = badTarget("callback: return target has a scheme other than http:// or https://")
	ErrTargetOrigin    error = badTarget("callback: return target is on an origin that is not allowed")
	ErrTargetPath      error = badTarget("callback: return target is not a path from the root")
)

func badTarget(text string) *Reason {
	return &Reason{
		Text: text, Status: http.StatusBadRequest,
		Title: "This link does not lead back to a page we know",
		Cause: "The address to return to is missing or is not one of ours, so nothing was done. Go back to the page you came from and begin again there.",
	}
}

// Reasons for which a sealed value is not opened. They reach a client only where a handler asks for the value.
var (
	ErrSealInvalid    error = noSession("callback: sealed value is damaged, forged, meant for another use, or its key is gone")
	ErrSealExpired    error = noSession("callback: sealed value has expired")
	ErrCookieMissing  error = noSession("callback: cookie is missing")
	ErrCookieTooLarge       = refusal.New(http.StatusInternalServerError, "callback: sealed cookie would be larger than 3800 bytes")
)

// ErrNoSession is what a reader of sessions returns for a request without a session that is still good.
var ErrNoSession error = noSession("callback: no session")

// Reasons about stores.
var (
	// ErrNoStore is for a question that sealed-cookie sessions cannot answer. It has status 500.
	ErrNoStore = errors.New("callback: sessions have no Store")

	// ErrStore is for a store that failed. It has status 503; the cause is in the log.
	ErrStore error = &Reason{
		Text: "callback: store failed", Status: http.StatusServiceUnavailable,
		Title: "We cannot look you up right now",
		Cause: "It was not your doing. Try again in a moment.",
	}
)

// storeFailed returns ErrStore with what the store said, for the log.
func storeFailed(err error) error { return fmt.Errorf("%w: %w", ErrStore, err) }

func noSession(text string) *Reason {
	return &Reason{
		Text: text, Status: http.StatusUnauthorized,
		Title: "You are not signed in",
		Cause: "You have not signed in here, or your session has ended. Sign in to go on.",
	}
}

// Reasons for which a return is refused. Those about a ticket are also for an application's Redeem func to return.
var (
	// ErrMethod refuses a method other than the handler's. It has status 405.
	ErrMethod error = &Reason{
		Text: "callback: method is not allowed", Status: http.StatusMethodNotAllowed,
		Title: "This address only takes a browser's return",
		Cause: "Open the link in a browser.",
	}

	// ErrQuery refuses a query or form that cannot be read in one way: malformed, too large, or a parameter given twice. Status 400.
	ErrQuery error = &Reason{
		Text: "callback: query or form is malformed, or names a parameter twice", Status: http.StatusBadRequest,
		Title: "This link is damaged",
		Cause: "The link was changed or cut off on its way. Copy it whole, or begin again.",
	}

	// ErrTicketMissing refuses a return without a ticket. Status 400.
	ErrTicketMissing error = &Reason{
		Text: "callback: ticket is missing", Status: http.StatusBadRequest,
		Title: "This link is not complete",
		Cause: "The part that says who you are is missing. Copy the link whole, or begin again.",
	}

	// ErrTicketInvalid is for a ticket that was never issued. Status 400.
	ErrTicketInvalid error = &Reason{
		Text: "callback: ticket is not valid", Status: http.StatusBadRequest,
		Title: "This link is not valid",
		Cause: "We did not issue it, or it was changed on its way. Begin again to get a new one.",
	}

	// ErrExpired is for a ticket or a flow whose time has passed. Status 410.
	ErrExpired error = &Reason{
		Text: "callback: ticket or flow has expired", Status: http.StatusGone,
		Title: "This link has expired",
		Cause: "It was good for a short time only. Begin again to get a new one.",
	}

	// ErrUsed is for a ticket or a flow that was used before: a reload, the back button, or a second tab. Status 410.
	ErrUsed error = &Reason{
		Text: "callback: ticket or flow was used before", Status: http.StatusGone,
		Title: "This link was used already",
		Cause: "It works once. If you are signed in, nothing is left to do; otherwise begin again.",
	}

	// ErrOtherBrowser is for a return to a browser that did not begin the flow: a forwarded link, another device, blocked or cleared
	// cookies, or somebody else's login pushed onto this browser. Status 403.
	ErrOtherBrowser error = &Reason{
		Text: "callback: this browser did not begin the flow", Status: http.StatusForbidden,
		Title: "This browser did not begin here",
		Cause: "Open the link in the browser in which you began, and allow cookies for this site. Or begin again in this one.",
	}

	// ErrDenied is for a third party that reports a refusal, such as a person who pressed "cancel". Status 403.
	ErrDenied error = &Reason{
		Text: "callback: the third party reports that access was denied", Status: http.StatusForbidden,
		Title: "The other side said no",
		Cause: "You cancelled, or access was not granted. You can begin again.",
	}

	// ErrPrefetch refuses to begin or end a flow for a browser that fetches a page in case the person wants it next. The browser asks again
	// when they do. Status 503.
	ErrPrefetch error = &Reason{
		Text: "callback: request is a prefetch", Status: http.StatusServiceUnavailable,
		Title: "This page is not made ahead of time",
		Cause: "Open it to go on.",
	}

	// ErrCrossSite refuses a confirmation that another site's page submitted. Status 403.
	ErrCrossSite error = &Reason{
		Text: "callback: confirmation was submitted from another site", Status: http.StatusForbidden,
		Title: "This was not confirmed here",
		Cause: "Another site tried to confirm for you. Open the link again and confirm on our page.",
	}
)

// unexpected is shown for an error that is not a Reason: what went wrong is ours, and only the log says what.
var unexpected = &Reason{
	Status: http.StatusInternalServerError,
	Title:  "Something went wrong on our side",
	Cause:  "It was not your doing. Try again in a moment.",
}

// reasonOf returns the reason in err's tree, with the status that err asks for.
func reasonOf(err error) Reason {
	if r, ok := errors.AsType[*Reason](err); ok {
		out := *r
		out.Status = refusal.Status(err)
		return out
	}
	out := *unexpected
	out.Status = refusal.Status(err)
	if out.Status < 500 {
		out.Title, out.Cause = http.StatusText(out.Status), "The request was refused. Begin again."
	}
	return out
}
