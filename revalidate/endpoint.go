package revalidate

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Reasons for which an [Endpoint] refuses a request.
var (
	ErrToken     = refusal.New(http.StatusUnauthorized, "token is missing or wrong")
	ErrThrottled = refusal.New(http.StatusTooManyRequests, "too many wrong tokens")
	ErrSignature = refusal.New(http.StatusUnauthorized, "body is not signed as required")
	ErrNoTag     = refusal.New(http.StatusBadRequest, "tag is missing")
	ErrMethod    = refusal.New(http.StatusMethodNotAllowed, "method is not allowed")
	ErrBody      = refusal.New(http.StatusBadRequest, "body is not the JSON object that the endpoint understands")
	ErrForbidden = refusal.New(http.StatusForbidden, "a tag or path may not be invalidated from outside")
)

// Defaults of [EndpointConfig].
const (
	defaultMaxBody     = 64 << 10
	defaultReadTimeout = 10 * time.Second
)

// EndpointConfig says how an [Endpoint] works. Cache is required, and Tokens or Signed or both.
type EndpointConfig struct {
	// Cache is what is invalidated.
	Cache *Cache
	// Tokens are the secrets that GET accepts as ?token=, newest first; several at once let a secret be rotated. An empty
	// one is refused. None at all means that GET is answered 405.
	Tokens []string
	// Signed checks the signature of a POST, given the request and the exact bytes of its body; nil error means that it
	// is good. The Check method of a webhook handler is such a func; the request's Body reads the same bytes, for a func that
	// wants them there. Nil means that POST is answered 405. The error goes to the log and nothing of it to the client.
	Signed func(r *http.Request, body []byte) error

	// Decode reads the body of a POST whose signature is good, such as the delivery of a CMS (package cms). What it names is
	// invalidated by the rules of [Cache.Invalidate], in the endpoint's Mode unless it returns ModeExpire; where it names
	// nothing, nothing is done and the answer is the same. Nil means the object that the [Endpoint] describes.
	Decode func(r *http.Request, body []byte) (Invalidation, error)

	// Mode is what a GET does. The zero value is ModeStaleWhileRevalidate, where the next reader still gets what is stored; ModeExpire is what
	// the article's revalidateTag(tag) does. A POST says its own mode and has this one where it says none.
	Mode Mode
	// Allow, if not nil, says which tags and paths may be named from outside: what it returns false for is answered 403
	// and nothing is done. name is a tag, or a path beginning with a slash. Paths can only be named in a POST, and the tags that the
	// cache uses inside have no name that could be said here. Of a URL that Decode names, the path is asked for.
	Allow func(name string) bool
	// AllowAll lets a POST purge everything, by "all" or by Decode. False means that it is answered 403.
	AllowAll bool

	// MaxFailures is how many wrong tokens one address (one /64 in IPv6) may send within FailureWindow before its tokens are answered 429
	// and Retry-After, right or wrong, so that tokens cannot be guessed. An address whose token was good within 30 days is not shut
	// out: its good tokens still count. Behind a proxy put security.ClientIP or security.Default in front, or all clients have the
	// proxy's address. Signatures cannot be guessed and are not counted. Zero means 100.
	MaxFailures int
	// FailureWindow is how long a wrong token counts. Zero means one minute.
	FailureWindow time.Duration
	// InsecureUnlimited answers each wrong token 401, however many there are: for an endpoint that something else limits.
	InsecureUnlimited bool

	// MaxBody bounds the body of a POST, in bytes. Zero means 64 KiB.
	MaxBody int64
	// ReadTimeout bounds how long the body of a POST may take to arrive. Zero means 10 s.
	ReadTimeout time.Duration

	// OnError answers what is refused. Nil means the article's {"success":false} for a GET, and problem+json (RFC 9457)
	// for the rest. The header is still open; Allow is set on a 405.
	OnError func(w http.ResponseWriter, r *http.Request, err error)
	// Logger gets each invalidation, and the cause of each refusal. A flood from clients whose token or signature was not good is logged in
	// samples, of which a line says as unlogged how many were left out before. Nil means slog.Default().
	Logger *slog.Logger
}

// An Endpoint is an [http.Handler] that lets the outside world invalidate tags.
//
//   - GET ?token=T&tag=G, as in the article on Next.js: 401 {"success":false} for a wrong token, or 429 for too many, 400 {"success":false} where tag is
//     missing or empty, else the tag is invalidated and the answer is 200 {"success":true}. Of a repeated parameter the
//     first counts, as for URLSearchParams. A tag that no entry can carry (see [CheckTag]) is no error: nothing carries it.
//   - POST {"tags": [...], "paths": [...], "mode": "fresh" or "stale", "dryRun": true or false}, signed. Everything named is
//     invalidated in one step, and the answer says what was done: 200 {"success":true,"mode":"fresh","tags":[...],"paths":[...]}.
//     {"all": true}, where AllowAll is set, purges everything; the mode is then fresh, and the answer has "all" too.
//   - HEAD changes nothing and is answered 405, like every other method but OPTIONS.
//
// A token in a URL ends up in logs and histories. Prefer the POST where the sender can sign.
type Endpoint struct {
	cache   *Cache
	tokens  [][sha256.Size]byte
	signed  func(*http.Request, []byte) error
	decode  func(*http.Request, []byte) (Invalidation, error)
	mode    Mode
	allow   func(string) bool
	all     bool
	guesses *guesses // nil where they are not limited
	body    reqbody.Limits
	onError func(http.ResponseWriter, *http.Request, error)
	log     *slog.Logger
	refused refusalLog
	methods string // value of Allow
}

// NewEndpoint returns an endpoint. The error joins every mistake in c and repeats no token.
func NewEndpoint(c EndpointConfig) (*Endpoint, error) {
	mistakes := invalid.Config{Package: "revalidate"}
	if c.Cache == nil {
		mistakes.Hidden("EndpointConfig.Cache", "is required")
	}
	if len(c.Tokens) == 0 && c.Signed == nil {
		mistakes.Hidden("EndpointConfig.Tokens", "or Signed is required")
	}
	e := &Endpoint{
		cache: c.Cache, signed: c.Signed, decode: c.Decode, mode: c.Mode, allow: c.Allow, all: c.AllowAll, onError: c.OnError, log: c.Logger,
		body: reqbody.Limits{Max: or(c.MaxBody, defaultMaxBody), Timeout: or(c.ReadTimeout, defaultReadTimeout)},
	}
	for i, token := range c.Tokens {
		if token == "" {
			mistakes.Hidden("EndpointConfig.Tokens["+strconv.Itoa(i)+"]", "must not be empty")
		}
		e.tokens = append(e.tokens, sha256.Sum256([]byte(token)))
	}
	if c.Mode > ModeExpire {
		mistakes.Field("EndpointConfig.Mode", uint8(c.Mode), "must be ModeStaleWhileRevalidate or ModeExpire")
	}
	if c.MaxBody < 0 {
		mistakes.Field("EndpointConfig.MaxBody", c.MaxBody, "must not be negative")
	}
	if c.ReadTimeout < 0 {
		mistakes.Field("EndpointConfig.ReadTimeout", c.ReadTimeout, "must not be negative")
	}
	if c.MaxFailures < 0 {
		mistakes.Field("EndpointConfig.MaxFailures", c.MaxFailures, "must not be negative")
	}
	if c.FailureWindow < 0 {
		mistakes.Field("EndpointConfig.FailureWindow", c.FailureWindow, "must not be negative")
	}
	if c.InsecureUnlimited && (c.MaxFailures != 0 || c.FailureWindow != 0) {
		mistakes.Hidden("EndpointConfig.InsecureUnlimited", "must not be set together with MaxFailures or FailureWindow")
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	e.refused = refusalLog{e.log, logsample.New()}
	if !c.InsecureUnlimited {
		e.guesses = newGuesses(or(c.MaxFailures, defaultMaxFailures), or(c.FailureWindow, defaultFailureWindow))
	}
	var methods []string
	if len(e.tokens) > 0 {
		methods = append(methods, http.MethodGet)
	}
	methods = append(methods, http.MethodOptions)
	if e.signed != nil {
		methods = append(methods, http.MethodPost)
	}
	e.methods = strings.Join(methods, ", ")
	return e, nil
}

// ServeHTTP checks the request, invalidates and answers.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", e.methods)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer, stranger, err := e.serve(w, r)
	if err != nil {
		e.refused.write(r, err, stranger)
		e.refuse(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// serve also reports whether r is a stranger's, who has shown no good token or signature.
func (e *Endpoint) serve(w http.ResponseWriter, r *http.Request) (answer []byte, stranger bool, err error) {
	switch {
	case r.Method == http.MethodGet && len(e.tokens) > 0:
		if err := e.checkToken(w, r); err != nil {
			return nil, true, err
		}
		return []byte(`{"success":true}`), false, e.get(r)
	case r.Method == http.MethodPost && e.signed != nil:
		body, err := e.checkBody(w, r)
		if err != nil {
			return nil, true, err
		}
		answer, err := e.post(r, body)
		return answer, false, err
	}
	w.Header().Set("Allow", e.methods)
	return nil, true, ErrMethod
}

func (e *Endpoint) checkToken(w http.ResponseWriter, r *http.Request) error {
	right := e.known(queryParam(r.URL.RawQuery, "token"))
	if e.guesses != nil {
		if wait := e.guesses.judge(clientip.Network(clientip.From(r)), right); wait > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
			return fmt.Errorf("%w: wait %v", ErrThrottled, wait.Round(time.Millisecond))
		}
	}
	if !right {
		return ErrToken
	}
	return nil
}

// get is the article's handler, after its token.
func (e *Endpoint) get(r *http.Request) error {
	tag := queryParam(r.URL.RawQuery, "tag")
	if tag == "" {
		return ErrNoTag
	}
	if err := CheckTag(tag); err != nil {
		e.log.LogAttrs(r.Context(), slog.LevelWarn, "revalidation of a tag that nothing can carry", slog.Any("error", err))
		return nil
	}
	return e.invalidate(r, Invalidation{Tags: []string{tag}, Mode: e.mode}, false)
}

// known compares a token with each of the secrets, in a time that depends on neither.
func (e *Endpoint) known(token string) bool {
	sum := sha256.Sum256([]byte(token))
	found := 0
	for i := range e.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], e.tokens[i][:])
	}
	return found == 1
}

// order is the body of a POST.
type order struct {
	Tags   []string `json:"tags"`
	Paths  []string `json:"paths"`
	All    bool     `json:"all"`
	Mode   string   `json:"mode"`
	DryRun bool     `json:"dryRun"`
}

// receipt is the answer to it.
type receipt struct {
	Success bool     `json:"success"`
	Mode    string   `json:"mode"`
	Tags    []string `json:"tags"`
	Paths   []string `json:"paths"`
	All     bool     `json:"all,omitzero"`
	DryRun  bool     `json:"dryRun,omitzero"`
}

// checkBody returns the body of a POST whose signature is good.
func (e *Endpoint) checkBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := reqbody.Read(w, r, e.body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := e.signed(r, body); err != nil {
		return nil, &causeError{reason: ErrSignature, cause: err}
	}
	return body, nil
}

func (e *Endpoint) post(r *http.Request, body []byte) ([]byte, error) {
	var inv Invalidation
	var err error
	dry := false
	if e.decode != nil {
		if inv, err = e.decode(r, body); err != nil {
			return nil, err
		}
		inv.Mode = max(inv.Mode, e.mode)
	} else if inv, dry, err = e.order(body); err != nil {
		return nil, err
	}
	if inv.All {
		inv.Mode = ModeExpire
	}
	if e.decode == nil || !inv.empty() {
		if err := e.invalidate(r, inv, dry); err != nil {
			return nil, err
		}
	}
	return json.Marshal(receipt{Success: true, Mode: inv.Mode.String(), Tags: inv.Tags, Paths: inv.Paths, All: inv.All, DryRun: dry})
}

// order reads the endpoint's own body.
func (e *Endpoint) order(body []byte) (inv Invalidation, dry bool, err error) {
	var o order
	if err := json.Unmarshal(body, &o, json.RejectUnknownMembers(true)); err != nil {
		return inv, false, &causeError{reason: ErrBody, cause: err}
	}
	inv = Invalidation{Tags: o.Tags, Paths: o.Paths, All: o.All, Mode: e.mode}
	switch o.Mode {
	case "":
	case "fresh":
		inv.Mode = ModeExpire
	case "stale":
		inv.Mode = ModeStaleWhileRevalidate
	default:
		return inv, false, &causeError{reason: ErrBody, cause: errors.New(`mode is neither "fresh" nor "stale"`)}
	}
	return inv, o.DryRun, nil
}

func (e *Endpoint) invalidate(r *http.Request, inv Invalidation, dry bool) error {
	if err := inv.Check(); err != nil {
		return err
	}
	if !e.allowed(&inv) {
		return ErrForbidden
	}
	if !dry {
		if err := e.cache.Invalidate(r.Context(), inv); err != nil {
			return err
		}
	}
	e.log.LogAttrs(r.Context(), slog.LevelInfo, "revalidation", slog.Any("tags", inv.Tags), slog.Any("paths", inv.Paths),
		slog.Any("urls", inv.URLs), slog.Bool("all", inv.All),
		slog.String("mode", inv.Mode.String()), slog.Bool("dry_run", dry))
	return nil
}

// allowed reports whether the outside may name all that inv names; its URLs have been checked. Cache groups are between handlers and caches.
func (e *Endpoint) allowed(inv *Invalidation) bool {
	if inv.All && !e.all || len(inv.Groups) > 0 {
		return false
	}
	if e.allow == nil {
		return true
	}
	names := slices.Concat(inv.Tags, inv.TagPrefixes, inv.Paths)
	for _, text := range inv.URLs {
		page, err := pageOf(text)
		if err != nil {
			return false
		}
		names = append(names, page.URL.Path)
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !e.allow(name) })
}

func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case e.onError != nil:
		e.onError(w, r, err)
	case r.Method == http.MethodGet && len(e.tokens) > 0:
		writeJSON(w, refusal.Status(err), []byte(`{"success":false}`))
	default:
		problem.Error(w, r, err)
	}
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewReader(body)) // the client is gone if this fails
}

// causeError is a reason for [errors.Is] and the status, with a cause for the log.
type causeError struct {
	reason error
	cause  error
}

func (e *causeError) Error() string   { return e.reason.Error() + ": " + e.cause.Error() }
func (e *causeError) Unwrap() []error { return []error{e.reason, e.cause} }
