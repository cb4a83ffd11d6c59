package security

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqcopy"
)

// Reasons for which an [Access] refuses a request.
var (
	ErrNoCredentials = refusal.New(http.StatusUnauthorized, "request has no credentials")
	ErrCredentials   = refusal.New(http.StatusUnauthorized, "credentials are wrong, expired or unknown")
	ErrAmbiguous     = refusal.New(http.StatusBadRequest, "request has more than one Authorization field")
	ErrScope         = refusal.New(http.StatusForbidden, "credentials do not allow this")
	ErrThrottled     = refusal.New(http.StatusTooManyRequests, "too many failed attempts to authenticate")
)

// A Scheme is one way in which a request says who makes it. [APIKeys], [Basic], [Bearer] and [MTLS] are schemes; an application
// may write its own. Its methods are called concurrently.
type Scheme interface {
	// Claim returns the name that r's credentials of this scheme claim, not verified, and whether r has any. The name
	// is the key of the throttle by principal: "" for credentials that cannot be guessed, such as random keys, where
	// that throttle would only let strangers lock a client out. Claim is cheap.
	Claim(r *http.Request) (name string, ok bool)

	// Authenticate verifies the credentials that Claim saw. It takes the same time whether the name exists or not. Its
	// error is, or wraps, ErrCredentials where they are wrong; any other error means that they could not be verified, and is
	// answered with the status it asks for, 500 if none.
	Authenticate(r *http.Request) (Principal, error)

	// Challenge returns a WWW-Authenticate value (RFC 9110, section 11.6.1). The reason is ErrNoCredentials, ErrCredentials or
	// ErrScope; scopes are those that ErrScope asks for. It may be "" for ErrScope, whose 403 needs none.
	Challenge(reason error, scopes []string) string
}

// AccessConfig says who is let in. Schemes is required.
type AccessConfig struct {
	// Schemes are tried in order; the first whose credentials the request has decides. Required.
	Schemes []Scheme

	// Optional lets requests without credentials pass without a principal, so that handlers or [Access.Require]
	// decide. Wrong credentials are refused all the same.
	Optional bool

	// MaxFailures is how many failed attempts one address (one /64 in IPv6), and one claimed name where names can be
	// guessed, have within FailureWindow before they are answered 429. Zero means 10.
	MaxFailures int

	// FailureWindow is how long a failed attempt counts. Zero means one minute.
	FailureWindow time.Duration

	// OnError answers a refused request; WWW-Authenticate and Retry-After are set before. Nil means an application/problem+json
	// answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the reason of each refusal. Nil means slog.Default().
	Logger *slog.Logger
}

// Access lets requests in by their credentials and puts the [Principal] into their context.
//
// Failed attempts are counted by address and by claimed name, in bounded memory. A name under attack stays usable for the addresses
// from which it was used successfully before, so that nobody can lock another out.
//
// An Access stands behind CORS, whose preflights have no credentials, and may stand in front of a whole mux. What protects
// a handler is [Access.Require] around the handler itself: no path rule can be evaded then. An Access is safe for concurrent use.
type Access struct {
	schemes  []Scheme
	optional bool
	failures *attempts
	refuser  refuser
}

// NewAccess returns an Access, or every mistake in c.
func NewAccess(c AccessConfig) (*Access, error) {
	bad := invalid.Config{Package: "security"}
	if len(c.Schemes) == 0 {
		bad.Hidden("AccessConfig.Schemes", "must name at least one scheme")
	}
	schemes := slices.Clone(c.Schemes)
	for i, s := range schemes {
		field := "AccessConfig.Schemes[" + strconv.Itoa(i) + "]"
		switch s := s.(type) {
		case nil:
			bad.Hidden(field, "must not be nil")
		case interface {
			compile(field string, bad *invalid.Config) Scheme
		}:
			schemes[i] = s.compile(field, &bad)
		}
	}
	if c.MaxFailures == 0 {
		c.MaxFailures = 10
	}
	if c.MaxFailures < 0 {
		bad.Field("AccessConfig.MaxFailures", c.MaxFailures, "must not be negative")
	}
	if c.FailureWindow == 0 {
		c.FailureWindow = time.Minute
	}
	if c.FailureWindow < 0 {
		bad.Field("AccessConfig.FailureWindow", c.FailureWindow, "must not be negative")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Access{
		schemes:  schemes,
		optional: c.Optional,
		failures: newAttempts(c.MaxFailures, c.FailureWindow),
		refuser:  newRefuser("access", c.OnError, c.Logger),
	}, nil
}

// Check returns who makes r. The error is, or wraps, one of the package's reasons. It counts a failed attempt, and does not write.
func (a *Access) Check(r *http.Request) (Principal, error) {
	p, _, err := a.check(r)
	return p, err
}

// noScheme is the index of no scheme.
const noScheme = -1

// check also returns the index of the scheme that judged: schemes may be of types that cannot be compared.
func (a *Access) check(r *http.Request) (Principal, int, error) {
	if len(r.Header["Authorization"]) > 1 {
		return Principal{}, noScheme, ErrAmbiguous
	}
	for i, s := range a.schemes {
		name, ok := s.Claim(r)
		if !ok {
			continue
		}
		attempt := attempt{address: clientip.From(r), name: name[:min(len(name), maxUserName)]}
		wait, counted := a.failures.begin(attempt)
		if wait > 0 {
			return Principal{}, i, &throttledError{wait: wait}
		}
		p, err := s.Authenticate(r)
		wrong := errors.Is(err, ErrCredentials)
		switch {
		case wrong && !counted:
			a.failures.failed(attempt)
		case !wrong && counted:
			a.failures.forgiven(attempt)
		}
		if err != nil {
			return Principal{}, i, err
		}
		a.failures.succeeded(attempt)
		return p, i, nil
	}
	return Principal{}, noScheme, ErrNoCredentials
}

// Wrap returns a handler that lets in requests with good credentials, and those without any where the config says Optional.
//
// An answer to credentials outside the Authorization field gets "Cache-Control: private" unless the handler sets another: a shared
// cache knows by itself only that Authorization makes an answer private (RFC 9111, section 3.5).
func (a *Access) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, judge, err := a.check(r)
		switch {
		case err == nil:
			a.serve(next, w, r, p)
		case a.optional && errors.Is(err, ErrNoCredentials):
			next.ServeHTTP(w, r)
		default:
			a.refuse(w, r, judge, err, nil)
		}
	})
}

// Require returns a middleware for one handler, which lets in principals that have every one of scopes. With no scope it lets in any
// principal. It authenticates by itself where this Access does not stand in front, so what protects the handler travels with it; a
// principal of another Access, such as a customer's where administrators are meant, does not count:
//
//	mux.Handle("DELETE /items/{id}", access.Require("items:write")(deleteItem))
func (a *Access) Require(scopes ...string) func(http.Handler) http.Handler {
	scopes = slices.Clone(scopes)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var p Principal
			outer := established(r.Context())
			known := outer != nil && outer.by == a
			if known {
				p = outer.principal
			} else {
				var judge int
				var err error
				if p, judge, err = a.check(r); err != nil {
					a.refuse(w, r, judge, err, nil)
					return
				}
			}
			switch {
			case !p.Has(scopes...):
				a.refuse(w, r, noScheme, &scopeError{principal: p.ID, scopes: scopes}, scopes)
			case known:
				next.ServeHTTP(w, r)
			default:
				a.serve(next, w, r, p)
			}
		})
	}
}

func (a *Access) serve(next http.Handler, w http.ResponseWriter, r *http.Request, p Principal) {
	if len(r.Header["Authorization"]) == 0 {
		w.Header()["Cache-Control"] = []string{"private"}
	}
	noteOf(r.Context()).setUser(p.ID)
	inner := r.WithContext(&principalContext{Context: r.Context(), principal: p, by: a})
	next.ServeHTTP(w, inner)
	reqcopy.HandBack(r, inner)
}

// refuse answers with the challenges of every scheme (RFC 9110, section 15.5.2), or with the time to wait. Only the
// scheme that judged the credentials, if one did, says why.
func (a *Access) refuse(w http.ResponseWriter, r *http.Request, judge int, err error, scopes []string) {
	h := w.Header()
	var throttled *throttledError
	switch {
	case errors.As(err, &throttled):
		h["Retry-After"] = []string{strconv.FormatInt(int64((throttled.wait+time.Second-1)/time.Second), 10)}
	case errors.Is(err, ErrScope), refusal.Status(err) == http.StatusUnauthorized:
		for i, s := range a.schemes {
			reason := ErrNoCredentials
			if i == judge || errors.Is(err, ErrScope) {
				reason = err
			}
			if challenge := s.Challenge(reason, scopes); challenge != "" && !slices.Contains(h["Www-Authenticate"], challenge) {
				h["Www-Authenticate"] = append(h["Www-Authenticate"], challenge)
			}
		}
	}
	a.refuser.refuse(w, r, err)
}

// throttledError is ErrThrottled with the time to wait.
type throttledError struct{ wait time.Duration }

func (e *throttledError) Error() string {
	return ErrThrottled.Error() + ": wait " + e.wait.Round(time.Millisecond).String()
}
func (e *throttledError) Unwrap() error { return ErrThrottled }

// scopeError is ErrScope with what was missing.
type scopeError struct {
	principal string
	scopes    []string
}

func (e *scopeError) Error() string {
	return ErrScope.Error() + ": " + strconv.Quote(e.principal) + " lacks one of " + strings.Join(e.scopes, " ")
}
func (e *scopeError) Unwrap() error { return ErrScope }

// wrong is ErrCredentials with why, for the log.
func wrong(why string) error { return &credentialsError{why} }

type credentialsError struct{ why string }

func (e *credentialsError) Error() string { return ErrCredentials.Error() + ": " + e.why }
func (e *credentialsError) Unwrap() error { return ErrCredentials }

// AnswerJSON returns an OnError hook that answers every refusal with the status of its error and one JSON body, for clients
// that expect a body of their own:
//
//	OnError: security.AnswerJSON(`{"success":false,"message":"authentication failed"}`)
func AnswerJSON(body string) func(http.ResponseWriter, *http.Request, error) {
	bytes := []byte(body)
	length := strconv.Itoa(len(bytes))
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		h := w.Header()
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{length}
		h["Cache-Control"] = []string{"no-store"}
		w.WriteHeader(refusal.Status(err))
		_, _ = w.Write(bytes) // the client is gone if this fails
	}
}
