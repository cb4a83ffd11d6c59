package revalidate

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrNotCached is the reason for which a request with only-if-cached is answered 504 (RFC 9111, section 5.2.1.7).
var ErrNotCached = refusal.New(http.StatusGatewayTimeout, "nothing stored answers the request, and it asks for nothing else")

// ServeHTTP answers from the cache or from the handler behind it.
func (h *wrapped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method != http.MethodGet && r.Method != http.MethodHead) || h.foreign(r) {
		h.bypass(w, r, "fwd="+bypassReason(r))
		return
	}
	asks := requestDirectives{maxAge: absent, minFresh: absent, maxStale: absent}
	if lines := r.Header["Cache-Control"]; lines != nil && !h.responses.ignoreRequest {
		asks = parseRequestDirectives(lines)
		if asks.noStore {
			h.bypass(w, r, "fwd=request")
			return
		}
	}
	h.serve(w, r, h.responses.primaryKey(r), &asks)
}

// foreign reports whether a GET or HEAD cannot be answered by a cache.
func (h *wrapped) foreign(r *http.Request) bool {
	return r.Header["Upgrade"] != nil || r.Header["If-Match"] != nil || r.Header["If-Unmodified-Since"] != nil ||
		r.ContentLength != 0 || len(r.TransferEncoding) > 0 || h.responses.skip != nil && h.responses.skip(r)
}

func bypassReason(r *http.Request) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "method"
	}
	return "bypass"
}

// stored is what the store has for a request.
type stored struct {
	entry    *Entry    // or nil
	response *response // entry's
	variant  string    // the key of the request's variant, where responses of this URL vary,
	names    []string  // and the fields by which they do
	up       bool      // false where the store failed
}

// find returns what is stored for r, loaded by load.
func (h *wrapped) find(ctx context.Context, key string, r *http.Request, load func(context.Context, string) (*Entry, bool)) stored {
	e, up := load(ctx, key)
	if e == nil {
		return stored{up: up}
	}
	s := stored{entry: e, up: up}
	if set, varies := e.value.(*variants); varies {
		if h.cache.generations.judge(e, 0) == dead {
			return stored{up: up}
		}
		s.variant, s.names = h.responses.variantKey(key, set, r), set.names
		if up {
			s.entry, s.up = load(ctx, s.variant)
		} else {
			s.entry = h.cache.peek(ctx, s.variant)
		}
		if s.entry == nil {
			return s
		}
	}
	s.response, _ = s.entry.value.(*response)
	return s
}

// lock returns the one that orders changes of the variants under a key.
func (h *wrapped) lock(key string) *sync.Mutex {
	return &h.varying[maphash.String(h.seed, key)%uint64(len(h.varying))]
}

// serve decides between the stored response and the handler.
func (h *wrapped) serve(w http.ResponseWriter, r *http.Request, key string, asks *requestDirectives) {
	ctx := r.Context()
	c := h.cache
	now := time.Now().UnixNano()
	s := h.find(ctx, key, r, h.cache.load)
	e, v := s.entry, s.response
	why := "fwd=uri-miss"
	if s.variant != "" {
		why = "fwd=vary-miss"
	}
	var prior *Entry
	if v != nil {
		switch verdict := c.generations.judge(e, now); {
		case verdict == dead:
			why = "fwd=stale; detail=EXPIRED-TAG"
		case h.satisfies(e, v, asks, now):
			if verdict == aged || now >= e.fresh {
				c.counters.stale.Add(1)
				if verdict == aged || !asks.allows(e, now) {
					h.refresh(r, key, s.variant, e, verdict == valid, now)
				}
			} else {
				c.counters.hits.Add(1)
			}
			inherit(ctx, e)
			m := h.hit(e, v, now)
			h.answer(w, r, e, v, m.age, m.status)
			return
		default:
			why = "fwd=stale"
			if verdict == valid {
				prior = e
			}
			if now < e.fresh && !v.policy.noCache {
				why = "fwd=request"
			}
		}
	}
	if asks.onlyIfCached {
		problem.Error(w, r, ErrNotCached)
		return
	}
	if r.Method == http.MethodHead || r.Header["Range"] != nil && prior == nil {
		h.pass(w, r, why, s.up)
		return
	}
	c.counters.misses.Add(1)
	h.fill(w, r, key, s, prior, why, asks)
}

// satisfies reports whether a response that no invalidation killed may be sent now: fresh enough for the request, or stale
// within a window that the response or the request grants.
func (h *wrapped) satisfies(e *Entry, v *response, asks *requestDirectives, now int64) bool {
	p := &v.policy
	if p.noCache || asks.noCache || asks.maxAge != absent && now-v.born > seconds(asks.maxAge) {
		return false
	}
	if asks.minFresh != absent && e.fresh-now < seconds(asks.minFresh) {
		return false
	}
	if now < e.fresh {
		return true
	}
	return !p.mustRevalidate && (now-e.fresh < p.staleWhile || asks.allows(e, now))
}

// allows reports whether max-stale covers how stale e is.
func (d *requestDirectives) allows(e *Entry, now int64) bool {
	return d.maxStale != absent && now-e.fresh <= seconds(d.maxStale)
}

func (h *wrapped) status(why string) string {
	if h.responses.name == "" {
		return ""
	}
	return h.responses.name + "; " + why
}

// answer sends a stored response.
func (h *wrapped) answer(w http.ResponseWriter, r *http.Request, e *Entry, v *response, age, status string) {
	if h.responses.emit != "" {
		if tags := h.responses.emitted(e.tags); tags != "" {
			w.Header()[h.responses.emit] = []string{tags}
		}
	}
	v.serve(w, r, age, status)
}

// fill answers from a run of the handler, one that is under way if there is one, here or in another process. A client that wants an answer made
// after it asked joins nobody.
func (h *wrapped) fill(w http.ResponseWriter, r *http.Request, key string, s stored, prior *Entry, why string, asks *requestDirectives) {
	ctx := r.Context()
	forced := asks.noCache || asks.maxAge == 0
	variant := s.variant
	for range 2 { // a second time where the response turns out to vary
		me := &reader{}
		x := h.exchange(r, key, variant, prior)
		x.forced, x.down = forced, !s.up
		fresh := h.cache.generations.fresh.Load()
		if forced {
			fresh = x.stamp + 1
		}
		x, first := h.cache.exchanges.join(x, fresh, me)
		if first {
			if !h.start(r, x, prior) {
				break
			}
		} else {
			h.cache.counters.shared.Add(1)
		}
		next, again := h.follow(ctx, w, r, x, me, why, asks)
		if !again {
			return
		}
		if next == "" {
			break
		}
		variant, prior = next, nil
	}
	h.bypass(w, r, why)
}

// exchange returns one that is not registered yet. old is what is stored for r and does not answer it, or nil.
func (h *wrapped) exchange(r *http.Request, key, variant string, old *Entry) *exchange {
	now := time.Now().UnixNano()
	x := &exchange{
		key: key, variant: variant, old: old, stamp: h.cache.generations.clock.stamp(now), asked: now, patience: h.cache.refreshTimeout,
	}
	x.changed.L = &x.mu
	if old == nil {
		x.stated = stated(r)
	}
	return x
}

// stated returns the conditions of r, which go to the handler where nothing stored could answer them.
func stated(r *http.Request) string {
	if !conditional(r) {
		return ""
	}
	return strings.Join(r.Header["If-None-Match"], "\n") + "\n\n" + strings.Join(r.Header["If-Modified-Since"], "\n")
}

// start runs the handler for x; false means that the cache is closed.
func (h *wrapped) start(r *http.Request, x *exchange, prior *Entry) bool {
	c := h.cache
	if !c.begin() {
		c.exchanges.remove(x)
		x.mu.Lock()
		x.phase, x.done, x.closed = standing, true, true // whoever joined meanwhile asks by itself
		x.changed.Broadcast()
		x.mu.Unlock()
		return false
	}
	col := &collector{stamp: x.stamp}
	ctx, once := oneuse.With(context.WithValue(context.WithoutCancel(r.Context()), collectorKey{}, col))
	if x.alone {
		ctx, x.cancel = context.WithTimeout(ctx, c.refreshTimeout)
	} else {
		ctx, x.cancel = context.WithCancel(ctx)
	}
	stop := context.AfterFunc(c.done, x.cancel)
	clone := r.Clone(ctx)
	clone.Method = http.MethodGet
	clone.Body = http.NoBody
	x.mu.Lock()
	x.request = clone
	x.mu.Unlock()
	delete(clone.Header, "Range")
	delete(clone.Header, "If-Range")
	w := &capture{h: h, x: x, r: clone, col: col, once: once, prior: prior, fields: make(http.Header)}
	if prior != nil {
		w.asks = validators(clone.Header, prior.value.(*response)) //nolint:forcetypeassert // prior is always a response
	}
	go func() {
		defer c.work.Done()
		defer x.cancel()
		defer stop()
		if w.claim(ctx) {
			w.run(ctx, clone)
		}
	}()
	return true
}

// validators replaces a request's conditions by those of the stored response (RFC 9111, section 4.3.1).
func validators(h http.Header, v *response) bool {
	delete(h, "If-None-Match")
	delete(h, "If-Modified-Since")
	if v.etag != "" {
		h["If-None-Match"] = []string{v.etag}
	}
	if v.hasLM {
		h["If-Modified-Since"] = []string{v.line("Last-Modified")}
	}
	return v.validatable()
}

// refresh runs the handler in the background, unless that is under way, failed a moment ago, or too much is.
func (h *wrapped) refresh(r *http.Request, key, variant string, e *Entry, validate bool, now int64) {
	c := h.cache
	name := or(variant, key)
	if !c.refresh.enter(name, now) {
		return
	}
	x := h.exchange(r, key, variant, e)
	x.alone = true
	x.after = func(failed bool) {
		c.refresh.leave(name, failed)
		if failed {
			c.counters.refreshErrors.Add(1)
		}
	}
	x, first := c.exchanges.join(x, c.generations.fresh.Load(), nil)
	if !first {
		c.refresh.cancel()
		return
	}
	if !validate { // a tag says that the content changed: it is fetched whole
		e = nil
	}
	plain := r.Clone(r.Context())
	for _, field := range [...]string{"If-None-Match", "If-Modified-Since", "Cache-Control", "Pragma"} {
		delete(plain.Header, field)
	}
	if !h.start(plain, x, e) {
		c.refresh.cancel()
		return
	}
	c.counters.refreshes.Add(1)
}

// follow answers from an exchange. again means that it cannot: the caller asks under the key next, or by itself where next is empty.
func (h *wrapped) follow(ctx context.Context, w http.ResponseWriter, r *http.Request, x *exchange, me *reader, why string, asks *requestDirectives) (next string, again bool) {
	wake := context.AfterFunc(ctx, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.changed.Broadcast()
	})
	defer wake()
	defer x.leave(me)
	var tell func(interim)
	if me.leader {
		tell = func(in interim) { sendInterim(w, in) }
	}
	if err := x.await(ctx, tell); err != nil {
		return "", false // the client is gone
	}
	x.mu.Lock()
	ph, status, header, share, names, e, forAll, note, panicked := x.phase, x.status, x.header, x.policy.share, x.vary, x.entry, x.forAll, x.note, x.panicked
	found := x.found
	x.mu.Unlock()
	if !me.leader && len(names) > 0 { // it may vary by more than was known when this reader joined
		mine := h.responses.selecting(names, r)
		if mine != h.responses.selecting(names, x.request) {
			return x.key + "\n\n" + mine, true
		}
	}
	switch {
	case ph == standing && e == nil:
		return "", true
	case ph == standing && !me.leader && !forAll:
		return "", true
	case ph == standing:
		v, now := e.value.(*response), time.Now().UnixNano() //nolint:forcetypeassert // always a response
		if found && !h.satisfies(e, v, asks, now) {
			return "", true // it was made by another, for somebody who asked for less
		}
		inherit(ctx, e)
		h.answer(w, r, e, v, strconv.FormatInt(v.age(now), 10), h.status(or(note, why+"; collapsed")))
		return "", false
	case panicked != nil && ph == waiting:
		panic(panicked) // to whoever recovers, as if the handler had run here
	}
	if !me.leader {
		if !share {
			return "", true
		}
		why = "fwd=uri-miss; collapsed"
	}
	h.stream(ctx, w, r, x, me, status, header, why)
	return "", false
}

func sendInterim(w http.ResponseWriter, in interim) {
	h := w.Header()
	before := h.Clone()
	clear(h)
	for name, lines := range in.header {
		h[name] = slices.Clone(lines)
	}
	w.WriteHeader(in.status)
	clear(h)
	maps.Copy(h, before)
}

// stream sends what the handler writes as it is written.
func (h *wrapped) stream(ctx context.Context, w http.ResponseWriter, r *http.Request, x *exchange, me *reader, status int, header http.Header, why string) {
	out := w.Header()
	for name, lines := range header {
		if slices.Contains(h.responses.strip, name) || !me.leader && slices.Contains(x.policy.omit, name) {
			continue
		}
		if name == "Vary" && out["Vary"] != nil {
			out["Vary"] = append(slices.Clip(out["Vary"]), lines...)
			continue
		}
		out[name] = slices.Clone(lines)
	}
	if x.tags != "" {
		out[h.responses.emit] = []string{x.tags}
	}
	if s := h.status(why); s != "" {
		s += "; fwd-status=" + strconv.Itoa(status)
		if x.policy.store {
			s += "; stored"
		}
		out["Cache-Status"] = append(slices.Clip(out["Cache-Status"]), s)
	}
	if x.stated == "" && status == http.StatusOK && conditional(r) && x.policy.store {
		modified := x.policy.date
		if t, ok := httpDate(header["Last-Modified"]); ok {
			modified = t
		}
		if notModified(r, header.Get("ETag"), modified) {
			strip304(out)
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	chunk, flush, end, err := x.next(ctx, me)
	if err != nil {
		return
	}
	if x.failed() {
		panic(http.ErrAbortHandler)
	}
	if end && out["Content-Length"] == nil && hasBody(status) && out["Trailer"] == nil && len(out["Transfer-Encoding"]) == 0 {
		out["Content-Length"] = []string{strconv.Itoa(len(chunk))}
	}
	w.WriteHeader(status)
	controller := http.NewResponseController(w)
	for {
		if len(chunk) > 0 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		if end {
			break
		}
		if flush {
			if err := controller.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return
			}
		}
		if chunk, flush, end, err = x.next(ctx, me); err != nil {
			return
		}
	}
	maps.Copy(out, x.trailer)
	if x.failed() {
		panic(http.ErrAbortHandler) // the client must not take what it has for the whole
	}
}

func (x *exchange) failed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.panicked != nil
}
