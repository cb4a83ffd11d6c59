package revalidate

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/oneuse"
)

// A capture is the [http.ResponseWriter] that a handler under [Cache.Wrap] gets when its response may be stored. It writes into
// an exchange; there is no connection under it, so it has Flush but neither Hijack nor deadlines. Its header is empty to
// begin with: what middleware around the cache has set belongs to one request and is added for each.
type capture struct {
	h    *wrapped
	x    *exchange
	r    *http.Request
	col  *collector
	once *oneuse.Mark

	prior   *Entry // what is being validated or may stand in for an error
	asks    bool   // the request carries the validators of prior
	fields  http.Header
	started bool
	broken  bool // the body is not what the header says
	lease   hold
}

func (w *capture) Header() http.Header { return w.fields }

func (w *capture) addTags(tags ...string) { w.col.add(tags...) }

// WriteHeader publishes an interim response, or decides what becomes of the final one.
func (w *capture) WriteHeader(status int) {
	if w.started {
		w.h.cache.log.LogAttrs(w.r.Context(), slog.LevelWarn, "superfluous WriteHeader call under revalidate.Wrap", slog.Int("status", status))
		return
	}
	x := w.x
	if status >= 100 && status <= 199 {
		x.mu.Lock()
		x.interim = append(x.interim, interim{status, w.fields.Clone()})
		x.changed.Broadcast()
		x.mu.Unlock()
		return
	}
	w.started = true
	if !w.decide(status) {
		w.unshare(status)
	}
}

// decide makes the header known, and what becomes of the response; false means that it is of no use to another process.
func (w *capture) decide(status int) bool {
	x := w.x
	now := time.Now().UnixNano()
	header := w.fields.Clone()
	p := w.h.responses.judge(w.r, status, header, x.asked, now)
	names, matches := varyNames(header)
	if !matches || w.once.IsSet() {
		p.store, p.share = false, false
	}

	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.changed.Broadcast()
	x.status, x.header, x.policy, x.vary = status, header, p, names
	if w.h.responses.emit != "" {
		tags, _, _ := w.tags(header)
		x.tags = w.h.responses.emitted(tags)
	}
	switch {
	case w.prior != nil && w.asks && status == http.StatusNotModified, w.prior != nil && status >= 500 && standIn(w.prior, status, w.h.responses.disconnected, now):
		// Nothing of this is sent: the stored response is the answer, once the handler is done.
		x.closed = x.closed || status >= 500
		return status == http.StatusNotModified // as the whole answer will tell
	case p.store:
		x.phase = growing
		x.closed = x.closed || !p.share
		if lines := header["Content-Length"]; len(lines) > 0 {
			length := deltaSeconds(lines[0])
			x.body = make([]byte, 0, min(length, w.h.responses.maxBody, firstBuffer))
			return p.share && length <= w.h.responses.maxBody
		}
		return p.share
	case status == http.StatusNotModified && x.stated != "":
		// Nothing is stored, but those who stated the same conditions may have the same answer.
		whole := w.h.responses.judge(w.r, http.StatusOK, header, x.asked, now)
		x.policy.share = whole.share && matches
		x.phase, x.closed = passing, true
	default:
		x.phase, x.closed = passing, true
	}
	return false
}

// standIn reports whether a stale response may be sent in place of an error: within its stale-if-error window
// (RFC 5861, section 4), or within the window for an origin that could not be reached.
func standIn(prior *Entry, status int, disconnected time.Duration, now int64) bool {
	v := prior.value.(*response) //nolint:forcetypeassert // prior is always a response
	if v.policy.mustRevalidate || v.policy.noCache {
		return false
	}
	late := now - prior.fresh
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if late < v.policy.staleIfError {
			return true
		}
	}
	return (status == http.StatusBadGateway || status == http.StatusGatewayTimeout) && late < int64(disconnected)
}

func (w *capture) begin() {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
}

func (w *capture) Write(p []byte) (int, error) {
	w.begin()
	if !hasBody(w.x.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if err := w.x.write(p, w.h.responses.maxBody); err != nil {
		return 0, err
	}
	if w.x.phase == passing { // which this goroutine alone changes: it has become too large
		w.unshare(w.x.status)
	}
	return len(p), nil
}

func (w *capture) Flush() { _ = w.FlushError() }

// FlushError delivers what was written so far to those who read along.
func (w *capture) FlushError() error {
	w.begin()
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	w.x.flushes++
	w.x.changed.Broadcast()
	return nil
}

// run calls the handler and stores what came of it.
func (w *capture) run(ctx context.Context, r *http.Request) {
	x, c := w.x, w.h.cache
	completed := false
	unwatch := w.lease.watch(ctx, c)
	defer func() {
		v := recover()
		if v == nil && !completed {
			v = http.ErrAbortHandler // runtime.Goexit
		}
		if v != nil && !aborts(v) {
			c.log.LogAttrs(ctx, slog.LevelError, "handler under the cache panicked", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
		}
		w.end(ctx, v)
		w.finish(func() bool {
			return (x.panicked != nil || w.broken || ctx.Err() != nil) && !x.dropped || x.status >= http.StatusInternalServerError
		})
		unwatch()
		w.lease.telling.Wait()
		w.lease.drop(ctx, c)
	}()
	c.counters.fills.Add(1)
	w.h.next.ServeHTTP(w, r)
	w.begin()
	completed = true
}

// finish tells all who read that there is nothing more to come.
func (w *capture) finish(failed func() bool) {
	x := w.x
	w.h.cache.exchanges.remove(x)
	x.mu.Lock()
	w.conclude()
	x.done, x.closed = true, true
	bad := failed()
	x.changed.Broadcast()
	x.mu.Unlock()
	if x.after != nil {
		x.after(bad)
	}
}

// conclude says, with the exchange locked, that the handler has written all of the body and its trailer. Those who read may read the trailer from
// now on, so that it is set once.
func (w *capture) conclude() {
	if !w.x.whole {
		w.x.trailer, w.x.whole = w.trailer(), true
	}
}

// aborts reports whether a handler panicked to break its response off.
func aborts(panicked any) bool {
	err, ok := panicked.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// end decides what is stored. panicked is what the handler panicked with, or nil.
func (w *capture) end(ctx context.Context, panicked any) {
	x, c := w.x, w.h.cache
	now := time.Now().UnixNano()
	x.mu.Lock()
	started, status, header, body, p, ph := w.started, x.status, x.header, x.body, x.policy, x.phase
	x.mu.Unlock()
	if ph == passing && x.alone && status < http.StatusInternalServerError && status != http.StatusNotModified {
		w.drop(ctx)
	}
	if panicked != nil && !started && ctx.Err() == nil { // a handler whose clients have left says nothing about others
		failure := http.StatusInternalServerError
		if aborts(panicked) {
			failure = http.StatusBadGateway
		}
		w.unshare(failure)
	}
	switch {
	case panicked != nil && !started:
		if w.prior != nil && standIn(w.prior, http.StatusInternalServerError, 0, now) ||
			w.prior != nil && aborts(panicked) && standIn(w.prior, http.StatusBadGateway, w.h.responses.disconnected, now) {
			w.stand(w.prior, true, "fwd=stale; detail=ABORTED")
			return
		}
		w.fail(panicked)
	case panicked != nil:
		if ph == waiting {
			w.stand(w.prior, true, "fwd=stale; fwd-status="+strconv.Itoa(status))
			return
		}
		w.fail(panicked)
	case ph == waiting && status == http.StatusNotModified:
		w.validated(ctx, header, now)
	case ph == waiting:
		w.stand(w.prior, true, "fwd=stale; fwd-status="+strconv.Itoa(status))
	case ctx.Err() != nil && (ph == growing || ph == passing) && header["Content-Length"] == nil:
		w.fail(http.ErrAbortHandler) // it was told to stop, so what it wrote may be a part
	case ph == growing && w.once.IsSet(): // since its header
		w.unshare(status)
		w.drop(ctx)
	case ph == growing:
		if !w.complete(header, body) {
			c.log.LogAttrs(ctx, slog.LevelWarn, "response is shorter or longer than its Content-Length and is not stored", slog.String("path", w.r.URL.Path))
			w.broken = true
			w.unshare(status)
			return
		}
		tags, stamp, err := w.tags(header)
		if err != nil {
			c.log.LogAttrs(ctx, slog.LevelError, "response has a tag that breaks a rule and is not stored", slog.String("path", w.r.URL.Path), slog.Any("error", err))
			w.unshare(status)
			w.drop(ctx)
			return
		}
		w.store(ctx, newResponse(w.h.responses.hidden, status, header, fit(body), p, now), tags, stamp, func(*Entry) {
			x.mu.Lock()
			defer x.mu.Unlock()
			w.conclude()
			x.changed.Broadcast()
		})
	}
}

// drop forgets the stored response that a refresh in the background has found to be out of date, where what took its place must not be stored: a
// page that is gone or has become private is not served on until its window ends.
func (w *capture) drop(ctx context.Context) {
	x := w.x
	x.saving.Lock()
	defer x.saving.Unlock()
	if !x.alone || x.gone {
		return
	}
	x.dropped = true
	if err := w.h.cache.store.Delete(ctx, or(x.variant, x.key)); err != nil {
		w.h.cache.counters.storeErrors.Add(1)
		w.h.cache.log.LogAttrs(ctx, slog.LevelWarn, "cache store did not delete an entry", slog.Any("error", err))
	}
}

// trailer returns the fields that follow the body: those announced in Trailer and those named with [http.TrailerPrefix].
func (w *capture) trailer() http.Header {
	var t http.Header
	take := func(name string) {
		if lines, ok := w.fields[name]; ok {
			if t == nil {
				t = make(http.Header)
			}
			t[name] = lines
		}
	}
	for _, line := range w.x.header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			take(http.CanonicalHeaderKey(trimOWS(name)))
		}
	}
	for name := range w.fields {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			take(name)
		}
	}
	return t
}

// firstBuffer is as much as a declared length alone makes the cache set aside for a body.
const firstBuffer = 1 << 20

// fit returns body in no more memory than it needs.
func fit(body []byte) []byte {
	if cap(body)-len(body) > len(body)/8 {
		return append(make([]byte, 0, len(body)), body...)
	}
	return slices.Clip(body)
}

func (w *capture) fail(v any) {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	w.x.panicked = v
	if w.x.phase == waiting {
		w.x.closed = true
	}
}

// stand makes a response that is complete the answer: for everyone who waits, or for the leader alone.
func (w *capture) stand(e *Entry, forAll bool, note string) {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	w.x.phase, w.x.entry, w.x.forAll, w.x.note = standing, e, forAll, note
	w.x.changed.Broadcast()
}

// change does something to the store and makes the answer known: in this order, so that whoever has the answer finds the store changed, but
// where the store has failed it may take its time to fail again.
func (w *capture) change(do, answer func()) {
	if !w.x.isDown() {
		w.lease.telling.Wait()
	}
	if w.x.isDown() {
		answer()
		w.lease.telling.Wait()
		do()
		return
	}
	do()
	answer()
}

// complete reports whether the body is as long as its header says.
func (w *capture) complete(header http.Header, body []byte) bool {
	lines := header["Content-Length"]
	if len(lines) == 0 || !hasBody(w.x.status) {
		return true
	}
	n, err := strconv.ParseInt(lines[0], 10, 64)
	return err == nil && n == int64(len(body))
}

// validated stores the prior response as the 304 freshened it. One that speaks of another body than the stored one is
// no answer: whoever waits asks again, without conditions.
func (w *capture) validated(ctx context.Context, update http.Header, now int64) {
	prior := w.prior.value.(*response) //nolint:forcetypeassert // prior is always a response
	remove := func() { _ = w.h.cache.remove(ctx, w.x.key) }
	if !prior.sameBody(update) {
		w.change(remove, func() { w.stand(nil, false, "") })
		return
	}
	header := prior.freshen(update)
	if update["Date"] == nil {
		delete(header, "Date") // it was validated now
	}
	p := w.h.responses.judge(w.r, prior.status, header, w.x.asked, now)
	fresh := newResponse(w.h.responses.hidden, prior.status, header, prior.body, p, now)
	w.col.add(splitTags(publicTags(w.prior.tags))...) // a 304 need not repeat what the 200 said
	tags, stamp, err := w.tags(header)
	if err != nil {
		w.h.cache.log.LogAttrs(ctx, slog.LevelError, "response has a tag that breaks a rule and is not stored", slog.String("path", w.r.URL.Path), slog.Any("error", err))
		p.store = false
	}
	p.store = p.store && !w.once.IsSet()
	const note = "fwd=stale; fwd-status=304"
	if p.store {
		answer := func(e *Entry) { w.stand(e, true, note) }
		if !p.share {
			w.unshare(prior.status)
		}
		answer(w.store(ctx, fresh, tags, stamp, answer))
		return
	}
	w.unshare(prior.status)
	e := fresh.entry(w.x.key, tags, trimPath(w.r.URL.Path), stamp, w.h.responses.disconnected)
	w.change(remove, func() { w.stand(e, false, note) }) // a 304 may say that this is for one client alone
}

// tags returns what the handler, the data it read and its header say.
func (w *capture) tags(header http.Header) (string, int64, error) {
	for _, name := range [...]string{"Surrogate-Key", "Xkey", "Cache-Tag"} {
		for _, line := range header[name] {
			fits := func(c rune) bool { return c == ' ' || c == '\t' }
			if name == "Cache-Tag" {
				fits = func(c rune) bool { return c == ' ' || c == '\t' || c == ',' }
			}
			w.col.add(strings.FieldsFunc(line, fits)...)
		}
	}
	groups, _ := parseStringList(header["Cache-Groups"]) // of a field that is no List there are none
	for _, group := range groups {
		if len(groups) > MaxTags || len(group) > MaxTagLength {
			return "", 0, ErrGroups
		}
		if CheckTag(group) == nil { // else it has no name that ExpireTag could be given
			w.col.add(group)
		}
	}
	tags, stamp, err := w.col.result()
	if err != nil {
		return "", 0, err
	}
	for _, group := range groups {
		if tags != "" {
			tags += " "
		}
		tags += Group{Origin: originOf(w.r), Name: group}.tag()
	}
	return tags, stamp, nil
}

// store puts a response where requests like this one find it. It calls answer as soon as the store has failed, and does the rest after it.
func (w *capture) store(ctx context.Context, v *response, tags string, stamp int64, answer func(*Entry)) *Entry {
	x := w.x
	e := v.entry(x.key, tags, trimPath(w.r.URL.Path), stamp, w.h.responses.disconnected)
	x.saving.Lock()
	defer x.saving.Unlock()
	if x.gone {
		return e
	}
	names, _ := varyNames(v.header())
	w.put(ctx, names, e, func() { answer(e) })
	return e
}
