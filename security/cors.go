package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which a request of another origin is not allowed by [CORS]. A preflight is answered 403.
var (
	ErrOrigin        = refusal.New(http.StatusForbidden, "origin is not allowed")
	ErrRequestMethod = refusal.New(http.StatusForbidden, "method is not allowed to other origins")
	ErrRequestHeader = refusal.New(http.StatusForbidden, "header field is not allowed to other origins")
)

// CORSConfig says what pages of other origins may do with this one, in the terms of the Fetch standard.
type CORSConfig struct {
	// Origins are the origins that are allowed, as browsers write them: "https://app.example.com". A host may begin with "*.",
	// which stands for one label or more; not below a public suffix such as "com". The one element "*" allows every origin,
	// and then Credentials must be false. Required.
	Origins []string

	// Credentials allows requests with cookies and the like, and their answers to be read.
	Credentials bool

	// Methods are those allowed besides GET, HEAD and POST. They are case-sensitive. The one element "*" allows all, without Credentials only.
	Methods []string

	// Headers are the request fields allowed besides the few that need no leave (Fetch standard, section 2.2.2). "*"
	// allows all but Authorization, without Credentials only.
	Headers []string

	// Expose are the response fields that the page may read besides the few that it always may. The one element "*"
	// exposes all, without Credentials only.
	Expose []string

	// MaxAge is how long a browser may remember a preflight's answer, in whole seconds. Zero leaves it to the browser, which takes 5
	// seconds; the most that browsers take is 24 hours.
	MaxAge time.Duration

	// InsecureNull allows the origin "null", which every sandboxed frame and data URL of an attacker has.
	InsecureNull bool

	// InsecureHTTP allows Origins of http, whose pages anyone on the network can write. Without it only those of loopback
	// hosts are accepted.
	InsecureHTTP bool

	// OnError answers a preflight that is refused. Nil means a problem answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the reason of each refused preflight and, at level Debug, of each request that goes without CORS
	// fields because its origin is not allowed. Nil means slog.Default().
	Logger *slog.Logger
}

// CORS answers preflights and lets pages of allowed origins read answers, by the Fetch standard. It is safe for
// concurrent use.
//
// CORS takes protection away where it is asked to and adds none: a request from an origin that is not allowed still
// reaches the handler, and only its answer stays unread. To refuse such requests is the part of [CrossOrigin].
//
// In a chain it stands outside of access control, since a preflight carries no credentials, and outside of method handling.
type CORS struct {
	origins     originSet
	anyOrigin   bool
	null        bool
	credentials bool
	anyMethod   bool
	methods     []string
	anyHeader   bool
	headers     []string // lower case
	longest     int      // of headers
	fields      int      // of an answer, at most
	answer      struct{ methods, headers, expose, maxAge string }
	refuser     refuser
}

// NewCORS returns a CORS, or every mistake in c.
func NewCORS(c CORSConfig) (*CORS, error) {
	bad := invalid.Config{Package: "security"}
	cors := &CORS{credentials: c.Credentials, null: c.InsecureNull}
	if len(c.Origins) == 0 && !c.InsecureNull {
		bad.Hidden("CORSConfig.Origins", "must name the origins that are allowed")
	}
	for i, text := range c.Origins {
		field := "CORSConfig.Origins[" + strconv.Itoa(i) + "]"
		if text == "*" {
			cors.anyOrigin = true
			if len(c.Origins) > 1 {
				bad.Field(field, text, "must stand alone")
			}
			if c.Credentials {
				bad.Field(field, text, "must not be allowed with Credentials: every site could act as its visitors")
			}
			continue
		}
		if rule := cors.origins.add(text); rule != "" {
			bad.Field(field, text, rule)
		} else if o, ok := parseOrigin(text); strings.HasPrefix(text, "http://") && !c.InsecureHTTP && (!ok || !o.isLoopback()) {
			bad.Field(field, text, "must be https, or InsecureHTTP set")
		}
	}
	cors.anyMethod, cors.methods = corsNames(&bad, "Methods", c.Methods, c.Credentials, forbiddenMethods)
	cors.anyHeader, cors.headers = corsNames(&bad, "Headers", c.Headers, c.Credentials, forbiddenRequestHeaders)
	_, expose := corsNames(&bad, "Expose", c.Expose, c.Credentials, forbiddenResponseHeaders)
	if c.MaxAge < 0 || c.MaxAge > 24*time.Hour || c.MaxAge%time.Second != 0 {
		bad.Field("CORSConfig.MaxAge", c.MaxAge, "must be whole seconds up to 24 hours")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	cors.answer.methods = strings.Join(cors.methods, ", ")
	cors.answer.headers = strings.Join(cors.headers, ", ")
	cors.answer.expose = strings.Join(expose, ", ")
	cors.fields = 2 // Vary and Access-Control-Allow-Origin
	if c.Credentials {
		cors.fields++
	}
	if len(expose) > 0 {
		cors.fields++
	}
	if c.MaxAge > 0 {
		cors.answer.maxAge = strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	}
	for i, name := range cors.headers {
		cors.headers[i] = strings.ToLower(name)
		cors.longest = max(cors.longest, len(name))
	}
	cors.refuser = newRefuser("cors", c.OnError, c.Logger)
	return cors, nil
}

// Names that the Fetch standard never lets a page use or read (sections 2.2.1 and 2.2.2): to allow them is a mistake.
var (
	forbiddenMethods         = []string{"connect", "trace", "track"}
	forbiddenResponseHeaders = []string{"set-cookie", "set-cookie2"}
	forbiddenRequestHeaders  = []string{
		"accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method", "connection", "content-length", "cookie", "cookie2",
		"date", "dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via",
	}
)

// corsNames checks a list of methods or field names and returns a copy.
func corsNames(bad *invalid.Config, field string, names []string, credentials bool, forbidden []string) (wild bool, list []string) {
	for i, name := range names {
		at := "CORSConfig." + field + "[" + strconv.Itoa(i) + "]"
		lower := strings.ToLower(name)
		switch {
		case name == "*" && credentials:
			bad.Field(at, name, "must not be used with Credentials: browsers then take it for a name")
		case name == "*":
			wild = true
		case !isToken(name):
			bad.Field(at, name, "must be a token")
		case slices.Contains(forbidden, lower), field == "Headers" && (strings.HasPrefix(lower, "sec-") || strings.HasPrefix(lower, "proxy-")):
			bad.Field(at, name, "must be one that browsers let pages use")
		}
	}
	return wild, slices.Clone(names)
}

// Wrap returns a handler that answers preflights itself, 204 or 403, and passes all else to next with the CORS fields that
// its origin may have. Vary is right on each answer, also on those to requests without an Origin.
func (c *CORS) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if isPreflight(r) {
			addField(h, "Vary", []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"})
			if err := c.Check(r); err != nil {
				c.refuser.refuse(w, r, err)
				return
			}
			c.answerPreflight(h, r.Header["Origin"][0])
			w.WriteHeader(http.StatusNoContent)
			return
		}
		origins := r.Header["Origin"]
		values := make([]string, 0, c.fields) // all fields' values in one allocation
		one := func(value string) []string {
			values = append(values, value)
			return values[len(values)-1 : len(values) : len(values)]
		}
		if c.anyOrigin {
			h["Access-Control-Allow-Origin"] = one("*") // the same for all, so that a cache need not tell them apart
		} else {
			addField(h, "Vary", one("Origin"))
		}
		switch {
		case len(origins) == 0:
		case !c.allows(origins):
			delete(h, "Access-Control-Allow-Origin")
			c.explain(r)
		default:
			if !c.anyOrigin {
				h["Access-Control-Allow-Origin"] = one(origins[0])
			}
			if c.credentials {
				h["Access-Control-Allow-Credentials"] = one("true")
			}
			if c.answer.expose != "" {
				h["Access-Control-Expose-Headers"] = one(c.answer.expose)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// explain tells an operator why a page cannot read an answer.
func (c *CORS) explain(r *http.Request) {
	if c.refuser.logger.Enabled(r.Context(), slog.LevelDebug) {
		c.refuser.logger.LogAttrs(r.Context(), slog.LevelDebug, "answer without CORS fields", slog.Any("cause", c.Check(r)))
	}
}
