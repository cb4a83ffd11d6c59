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
)

// Bounds on what one browser keeps of flows it began and never finished.
const (
	maxFlows     = 6    // flows at once; the oldest goes when another begins
	maxFlowBytes = 3500 // names and values of all flow cookies together
)

const (
	stateSize   = 16 // bytes of a state: 128 random bits
	idSize      = 22 // the same as characters
	maxState    = 512
	proofSize   = 16 // bytes of a state's hash, in the cookie
	flowIDSize  = 16 // characters of a flow's name
	flowPurpose = "flow"
	flowTarget  = "flow target"
	flowGrace   = time.Hour // how long the browser keeps an expired flow, to be told that it expired
	maxCarried  = 256       // bytes of the longest return target that a state carries
)

// FlowsConfig describes the flows of one kind.
type FlowsConfig struct {
	// Keys seals the flows. Required.
	Keys *Keyring

	// Name begins the name of each flow's cookie. Empty means "flow". Two kinds of flow on one host need two names.
	Name string

	// Lifetime is how long a flow may take. Zero means 10 minutes; at most 24 hours.
	Lifetime time.Duration

	// Marks remembers which flows have ended. Nil means that this process alone does: where several answer for one host, a browser that
	// kept its cookie could end a flow once at each.
	Marks MarkStore

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
	marks    MarkStore
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
	if c.Marks == nil {
		c.Marks = defaultMarks()
	}
	return &Flows{
		keys: c.Keys, prefix: cookieName(c.Name, c.InsecureHTTP) + "-", lifetime: c.Lifetime,
		marks:      c.Marks,
		attributes: newAttributes(c.InsecureHTTP, http.SameSiteLaxMode, false),
	}, nil
}

// Begin starts a flow in r's browser that remembers data, and returns its state: 22 URL-safe characters to send along and get back.
// The error is [ErrCookieTooLarge] when data exceeds about 2540 bytes, or [ErrPrefetch].
//
// Flows that this browser began and did not finish are kept, six or 3500 bytes of them; the oldest go.
func (f *Flows) Begin(w http.ResponseWriter, r *http.Request, data []byte) (state string, err error) {
	return f.BeginFor(w, r, data, "")
}

// BeginFor is [Flows.Begin] with a state that carries target, sealed. [Flows.Target] reads it in any browser, and after the flow has
// ended too, so that a person whose flow came to nothing can begin again where they were. The state is then up to 408 characters
// long; a target above 256 bytes is not carried.
func (f *Flows) BeginFor(w http.ResponseWriter, r *http.Request, data []byte, target string) (state string, err error) {
	if prefetch(r) { // several of them would push out a flow that the person is in
		return "", ErrPrefetch
	}
	var raw [stateSize]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	state = base64.RawURLEncoding.EncodeToString(raw[:])
	expires := time.Now().Add(f.lifetime)
	if target != "" && len(target) <= maxCarried {
		state += f.keys.Seal(flowTarget, f.prefix+state, []byte(target), expires)
	}

	name, proof := f.cookieOf(state)
	sealed := f.keys.Seal(flowPurpose, name, append(proof[:], data...), expires)
	size := len(name) + len(sealed)
	if size > maxFlowBytes {
		return "", ErrCookieTooLarge
	}
	f.makeRoom(w, r, size)
	f.set(w, name, sealed, int((f.lifetime+flowGrace)/time.Second))
	noStore(w.Header())
	return state, nil
}

// Target returns the return target that state carries, or "" where it carries none, or was not made by [Flows.BeginFor]. That a state
// carries a target says nothing about the browser that brings it.
func (f *Flows) Target(state string) string {
	if len(state) <= idSize {
		return ""
	}
	target, _, err := f.keys.Open(flowTarget, f.prefix+state[:idSize], state[idSize:])
	if err != nil && !errors.Is(err, ErrSealExpired) {
		return ""
	}
	return string(target)
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
			f.set(w, p.name, "", 0)
		}
	}
}

// Peek returns the data of the flow that r's browser began with state, and leaves the flow open. The error is [ErrOtherBrowser],
// [ErrUsed] or [ErrExpired], with which comes the data, so that the person can begin again where they were; or [ErrStore].
func (f *Flows) Peek(r *http.Request, state string) ([]byte, error) {
	if err := f.unused(r, state); err != nil {
		return nil, err
	}
	return f.open(r, state)
}

// Finish is [Flows.Peek] that ends the flow: its cookie is dropped, and the state does not work again. Of two requests that finish
// the same flow at once, one gets [ErrUsed]. A prefetch leaves the flow open, with [ErrPrefetch].
func (f *Flows) Finish(w http.ResponseWriter, r *http.Request, state string) ([]byte, error) {
	if prefetch(r) {
		return nil, ErrPrefetch
	}
	data, err := f.open(r, state)
	if err == nil {
		var first bool
		first, err = f.marks.Spend(r.Context(), f.mark(state), f.lifetime+flowGrace)
		switch {
		case err != nil:
			return nil, storeFailed(err)
		case !first:
			data, err = nil, ErrUsed
		}
	} else if used := f.unused(r, state); used != nil {
		data, err = nil, used
	}
	if err == nil || errors.Is(err, ErrExpired) || errors.Is(err, ErrUsed) {
		f.clear(w, state)
	}
	return data, err
}

// unused returns ErrUsed if the flow of state has ended.
func (f *Flows) unused(r *http.Request, state string) error {
	if len(state) < idSize || len(state) > maxState {
		return ErrOtherBrowser
	}
	used, err := f.marks.Spent(r.Context(), f.mark(state))
	if err != nil {
		return storeFailed(err)
	}
	if used {
		return ErrUsed
	}
	return nil
}

// open returns the data of r's flow, with ErrExpired where its time has passed, or ErrOtherBrowser.
func (f *Flows) open(r *http.Request, state string) ([]byte, error) {
	if len(state) < idSize || len(state) > maxState {
		return nil, ErrOtherBrowser
	}
	name, proof := f.cookieOf(state)
	for _, c := range r.CookiesNamed(name) {
		data, _, err := f.keys.Open(flowPurpose, name, c.Value)
		if len(data) < proofSize || subtle.ConstantTimeCompare(data[:proofSize], proof[:]) != 1 {
			continue
		}
		if err != nil { // data and an error: it expired
			return data[proofSize:], ErrExpired
		}
		return data[proofSize:], nil
	}
	return nil, ErrOtherBrowser
}

// cookieOf names the cookie of a flow, and returns what it must contain. Both are of a hash of the state: the name shows in logs.
func (f *Flows) cookieOf(state string) (name string, proof [proofSize]byte) {
	sum := sha256.Sum256([]byte(state))
	copy(proof[:], sum[sha256.Size-proofSize:])
	return f.prefix + hex.EncodeToString(sum[:flowIDSize/2]), proof
}

// mark names the flow to the MarkStore.
func (f *Flows) mark(state string) string { return "flow " + f.prefix + state }

func (f *Flows) clear(w http.ResponseWriter, state string) {
	name, _ := f.cookieOf(state)
	f.set(w, name, "", 0)
}
