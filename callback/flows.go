package callback

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/once"
)

// Bounds on what one browser keeps of flows it began and never finished.
const (
	maxFlows     = 6    // flows at once; the oldest goes when another begins
	maxFlowBytes = 3500 // names and values of all flow cookies together
)

const (
	stateSize   = 16 // bytes of a state: 128 random bits
	flowIDSize  = 16 // characters of a flow's name
	flowPurpose = "flow"
	flowGrace   = time.Hour // how long the browser keeps an expired flow, to be told that it expired
	flowsSpent  = 65536     // states remembered as used
)

// FlowsConfig describes the flows of one kind.
type FlowsConfig struct {
	// Keys seals the flows. Required.
	Keys *Keyring

	// Name begins the name of each flow's cookie. Empty means "flow". Two kinds of flow on one host need two names.
	Name string

	// Lifetime is how long a flow may take. Zero means 10 minutes; at most 24 hours.
	Lifetime time.Duration

	// InsecureHTTP drops Secure and the __Host- prefix, for development over plain HTTP.
	InsecureHTTP bool
}

// Flows binds what a browser begins to what it finishes: a login, a magic link, a payment. Make one with [NewFlows]; it is safe for
// concurrent use.
//
// Each flow is a sealed cookie of its own, so that two tabs do not disturb each other, and a random state that travels to the third
// party and back. Only a browser that holds the cookie can finish the flow with that state, and only once: somebody else's callback link
// does nothing here (RFC 6749, section 10.12; RFC 9700, section 4.7). The cookie is SameSite=Lax: a redirect back carries it, a
// form post from another site does not.
type Flows struct {
	keys     *Keyring
	prefix   string
	lifetime time.Duration
	spent    *once.Set
	attributes
}

// NewFlows returns Flows, or every mistake in c at once.
func NewFlows(c FlowsConfig) (*Flows, error) {
	bad := invalid.Config{Package: "callback"}
	if c.Keys == nil {
		bad.Hidden("FlowsConfig.Keys", "is required")
	}
	if c.Name == "" {
		c.Name = "flow"
	}
	checkName(&bad, "FlowsConfig.Name", c.Name)
	if c.Lifetime == 0 {
		c.Lifetime = 10 * time.Minute
	}
	if c.Lifetime < time.Second || c.Lifetime > 24*time.Hour {
		bad.Field("FlowsConfig.Lifetime", c.Lifetime, "must be from 1s to 24h")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Flows{
		keys: c.Keys, prefix: cookieName(c.Name, c.InsecureHTTP) + "-", lifetime: c.Lifetime,
		spent:      once.New(c.Lifetime+flowGrace, flowsSpent),
		attributes: newAttributes(c.InsecureHTTP, http.SameSiteLaxMode, false),
	}, nil
}

// Begin starts a flow in r's browser that remembers data, and returns its state: 22 URL-safe characters to send along and get back.
// The error is [ErrCookieTooLarge] when data exceeds about 2540 bytes.
//
// Flows that this browser began and did not finish are kept, six or 3500 bytes of them; the oldest go.
func (f *Flows) Begin(w http.ResponseWriter, r *http.Request, data []byte) (state string, err error) {
	var raw [stateSize]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	state = base64.RawURLEncoding.EncodeToString(raw[:])

	name := f.cookieOf(state)
	sealed := f.keys.Seal(flowPurpose, name, append(raw[:], data...), time.Now().Add(f.lifetime))
	size := len(name) + len(sealed)
	if size > maxFlowBytes {
		return "", ErrCookieTooLarge
	}
	f.makeRoom(w, r, size)
	f.set(w, name, sealed, int((f.lifetime+flowGrace)/time.Second))
	noStore(w.Header())
	return state, nil
}

// makeRoom drops the oldest of r's flows until one of size bytes fits.
func (f *Flows) makeRoom(w http.ResponseWriter, r *http.Request, size int) {
	type pending struct {
		name    string
		size    int
		expires time.Time // zero where it does not open: gone first
	}
	var all []pending
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, f.prefix) || len(c.Name) != len(f.prefix)+flowIDSize { // another kind's may begin like this one's
			continue
		}
		p := pending{name: c.Name, size: len(c.Name) + len(c.Value)}
		if _, expires, err := f.keys.Open(flowPurpose, c.Name, c.Value); err == nil {
			p.expires = expires
		}
		all = append(all, p)
	}
	slices.SortStableFunc(all, func(a, b pending) int { return b.expires.Compare(a.expires) })
	count := 1
	for _, p := range all {
		count++
		size += p.size
		if count > maxFlows || size > maxFlowBytes || p.expires.IsZero() {
			f.clear(w, p.name)
		}
	}
}

// Peek returns the data of the flow that r's browser began with state, and leaves the flow open. The error is [ErrOtherBrowser],
// [ErrUsed] or [ErrExpired]; with the last comes the data, so that the person can begin again where they were.
func (f *Flows) Peek(r *http.Request, state string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(state)
	if err != nil || len(raw) != stateSize || len(state) != base64.RawURLEncoding.EncodedLen(stateSize) { // a decoder skips newlines
		return nil, ErrOtherBrowser
	}
	if f.spent.Used(state) {
		return nil, ErrUsed
	}
	name := f.cookieOf(state)
	for _, c := range r.CookiesNamed(name) {
		data, _, err := f.keys.Open(flowPurpose, name, c.Value)
		if len(data) < stateSize || subtle.ConstantTimeCompare(data[:stateSize], raw) != 1 {
			continue
		}
		if err != nil { // data and an error: it expired
			return data[stateSize:], ErrExpired
		}
		return data[stateSize:], nil
	}
	return nil, ErrOtherBrowser
}

// Finish is [Flows.Peek] that ends the flow: its cookie is dropped, and the state does not work again. Of two requests that finish
// the same flow at once, one gets [ErrUsed].
func (f *Flows) Finish(w http.ResponseWriter, r *http.Request, state string) ([]byte, error) {
	data, err := f.Peek(r, state)
	if errors.Is(err, ErrExpired) || errors.Is(err, ErrUsed) {
		f.clear(w, f.cookieOf(state))
	}
	if err != nil {
		return data, err
	}
	if !f.spent.Take(state) {
		return nil, ErrUsed
	}
	f.clear(w, f.cookieOf(state))
	return data, nil
}

// cookieOf names the cookie of a flow. The name shows in logs, so it is a hash of the state.
func (f *Flows) cookieOf(state string) string {
	sum := sha256.Sum256([]byte(state))
	return f.prefix + hex.EncodeToString(sum[:])[:flowIDSize]
}

func (f *Flows) clear(w http.ResponseWriter, name string) {
	f.set(w, name, "", 0)
}
