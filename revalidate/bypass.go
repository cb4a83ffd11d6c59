package revalidate

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/respwriter"
)

// A direct is the ResponseWriter of a request that the cache does not answer. Its hook runs before the header goes out, so
// that what a client does after it has its answer already finds the cache changed.
type direct struct {
	*respwriter.Writer
}

func (w *direct) addTags(...string) {} // nothing is stored

// bypass hands r to the handler.
func (h *wrapped) bypass(w http.ResponseWriter, r *http.Request, why string) { h.pass(w, r, why, true) }

// pass hands r to the handler. up is false where the store has just failed: it is asked nothing more before there is an answer.
func (h *wrapped) pass(w http.ResponseWriter, r *http.Request, why string, up bool) {
	h.cache.counters.bypasses.Add(1)
	out := &direct{Writer: respwriter.New(w)}
	out.BeforeHeader = func(status int) int {
		header := out.Header()
		switch {
		case r.Method == http.MethodHead && up:
			h.headUpdate(r, status, header)
		case !safe(r.Method):
			h.unsafe(r, status, header)
		}
		for _, name := range h.responses.strip {
			delete(header, name)
		}
		if s := h.status(why); s != "" {
			header["Cache-Status"] = append(slices.Clip(header["Cache-Status"]), s)
		}
		return status
	}
	h.next.ServeHTTP(out, r)
	if out.Status() == 0 && !out.Hijacked() {
		out.WriteHeader(http.StatusOK) // what net/http does for a handler that wrote nothing, but through the hook
	}
}

// safe tells the methods that ask for no change (RFC 9110, section 9.2.1). A method nobody knows is taken to change something.
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// unsafe forgets what a request that changed something has made wrong (RFC 9111, section 4.4): the responses for its URL
// and for those in Location and Content-Location, where they are of the same origin, and the cache groups named by the answer
// (RFC 9875, section 3). It does nothing where the request failed.
func (h *wrapped) unsafe(r *http.Request, status int, header http.Header) {
	if status < 200 || status >= 400 {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	pages := []*http.Request{r}
	for _, name := range [...]string{"Location", "Content-Location"} {
		for _, line := range header[name] {
			if other := sameOrigin(r, line); other != nil {
				pages = append(pages, other)
			}
		}
	}
	up := h.forgetAll(ctx, pages)
	var groups []Group
	if names, ok := parseStringList(header["Cache-Group-Invalidation"]); ok && len(names) > 0 {
		for _, name := range names {
			if len(name) <= MaxTagLength { // no stored response is in a longer one
				groups = append(groups, Group{Origin: originOf(r), Name: name})
			}
		}
		h.cache.invalidate(&Invalidation{Groups: groups}, nil)
	}
	if h.cache.onInvalidate != nil {
		h.cache.announceUnsafe(ctx, pages, groups, up)
	}
}

// forgetAll forgets the responses of pages; false means that the store failed. What is left then is done once there is an answer.
func (h *wrapped) forgetAll(ctx context.Context, pages []*http.Request) bool {
	for i, page := range pages {
		if !h.forget(ctx, h.responses.primaryKey(page)) {
			rest := pages[i+1:]
			for _, page := range rest {
				h.cache.exchanges.disown(h.responses.primaryKey(page))
			}
			h.cache.later(func() {
				for _, page := range rest {
					h.forget(ctx, h.responses.primaryKey(page))
				}
			})
			return false
		}
	}
	return true
}

func (h *wrapped) forget(ctx context.Context, key string) bool {
	err := h.cache.remove(ctx, key)
	if err != nil {
		h.cache.log.WarnContext(ctx, "cache store did not delete an entry", "error", err)
	}
	return err == nil
}

// sameOrigin resolves a reference against the URL of r; nil where it leads to another origin.
func sameOrigin(r *http.Request, reference string) *http.Request {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	base := &url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	ref, err := url.Parse(reference)
	if err != nil {
		return nil
	}
	target := base.ResolveReference(ref)
	if target.Scheme != scheme || !strings.EqualFold(target.Host, r.Host) || target.User != nil {
		return nil
	}
	return &http.Request{Method: http.MethodGet, Host: r.Host, TLS: r.TLS, URL: target}
}

// headUpdate lets the answer to a HEAD freshen the stored response, or drop it where the two do not agree (RFC 9111,
// section 4.3.5). An answer that has neither a validator nor a length is no evidence that the body is still the same.
func (h *wrapped) headUpdate(r *http.Request, status int, header http.Header) {
	if status != http.StatusOK {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	primary := h.responses.primaryKey(r)
	found := h.find(ctx, primary, r, h.cache.load)
	e, v := found.entry, found.response
	if v == nil {
		return
	}
	length := header["Content-Length"]
	if header["Etag"] == nil && header["Last-Modified"] == nil && length == nil {
		return
	}
	now := time.Now().UnixNano()
	if v.status != status || !v.sameBody(header) || len(length) > 0 && length[0] != v.length {
		h.forget(ctx, primary)
		return
	}
	update := v.freshen(header)
	if header["Date"] == nil {
		delete(update, "Date")
	}
	p := h.responses.judge(r, status, update, now, now)
	if h.cache.generations.judge(e, now) != valid || !p.store {
		return
	}
	fresh := newResponse(h.responses.hidden, status, update, v.body, p, now)
	updated := fresh.entry(primary, e.tags, e.path, e.stamp, h.responses.disconnected)
	_ = h.cache.save(ctx, or(found.variant, primary), updated) // it is logged
}
