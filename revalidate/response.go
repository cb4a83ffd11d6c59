package revalidate

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A response is a stored response, complete and ready to be sent.
type response struct {
	status int
	fields []field  // without those that are made anew each time
	lines  []string // of all fields, in order
	hidden []field  // stored but not sent
	body   []byte
	length string // Content-Length; empty where the status has no body

	born     int64 // when its age was 0, in nanoseconds since 1970
	policy   policy
	etag     string
	modified int64 // Last-Modified, else Date
	hasLM    bool

	moment atomic.Pointer[moment] // what the last hit said
}

type field struct {
	name  string
	lines []string
}

func (v *response) size() int64 {
	size := int64(cap(v.body)) + int64(len(v.length)) + 256
	for _, f := range slices.Concat(v.fields, v.hidden) {
		size += 40 + int64(len(f.name))
		for _, line := range f.lines {
			size += 16 + int64(len(line))
		}
	}
	return size
}

// hopByHop tells the fields that belong to one connection and are not stored (RFC 9111, section 3.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade", "Trailer",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization":
		return true
	}
	return false
}

// newResponse makes a stored response of what a handler sent. It takes body over and copies header; the fields in hidden are
// kept, for they may say how long it is fresh, but not sent.
func newResponse(hidden []string, status int, header http.Header, body []byte, p policy, now int64) *response {
	v := &response{status: status, body: body, policy: p, born: now - p.age}
	skip := func(name string) bool {
		return name == "Age" || name == "Content-Length" || hopByHop(name) || slices.Contains(p.omit, name)
	}
	var listed []string // fields named in Connection are hop-by-hop too
	for _, line := range header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			listed = append(listed, http.CanonicalHeaderKey(trimOWS(name)))
		}
	}
	for name, lines := range header {
		if skip(name) || slices.Contains(listed, name) {
			continue
		}
		if slices.Contains(hidden, name) {
			v.hidden = append(v.hidden, field{name, slices.Clone(lines)})
			continue
		}
		v.fields = append(v.fields, field{name, slices.Clone(lines)})
	}
	slices.SortFunc(v.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	if header["Content-Type"] == nil && len(body) > 0 && len(header["Content-Encoding"]) == 0 {
		if _, suppressed := header["Content-Type"]; !suppressed { // what net/http would have found out
			v.fields = append(v.fields, field{"Content-Type", []string{http.DetectContentType(body)}})
		}
	}
	if header["Date"] == nil {
		v.fields = append(v.fields, field{"Date", []string{time.Unix(0, p.date).UTC().Format(http.TimeFormat)}})
	}
	v.ready()
	if lines := header["Etag"]; len(lines) > 0 {
		v.etag = lines[0]
	}
	v.modified, v.hasLM = httpDate(header["Last-Modified"])
	if !v.hasLM {
		v.modified = p.date
	}
	return v
}

// ready works out what is the same each time that the response is sent.
func (v *response) ready() {
	for _, f := range v.fields {
		v.lines = append(v.lines, f.lines...)
	}
	rest := v.lines
	for i := range v.fields { // kept once
		n := len(v.fields[i].lines)
		v.fields[i].lines, rest = rest[:n:n], rest[n:]
	}
	if hasBody(v.status) {
		v.length = strconv.Itoa(len(v.body))
	}
}

// hasBody reports whether a response to GET of this status can have one.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// header returns the fields as a map that the caller may change.
func (v *response) header() http.Header {
	h := make(http.Header, len(v.fields)+len(v.hidden)+1)
	for _, fields := range [...][]field{v.fields, v.hidden} {
		for _, f := range fields {
			h[f.name] = slices.Clone(f.lines)
		}
	}
	return h
}

// line returns the first line of a field, or "".
func (v *response) line(name string) string {
	for _, f := range v.fields {
		if f.name == name && len(f.lines) > 0 {
			return f.lines[0]
		}
	}
	return ""
}

// validatable reports whether the origin can be asked if it is still good.
func (v *response) validatable() bool { return v.etag != "" || v.hasLM }

// freshUntil is when the freshness lifetime ends.
func (v *response) freshUntil() int64 { return v.born + v.policy.life }

// kept is how long past its freshness a response is kept for the sake of its validators.
const kept = 24 * time.Hour

// entry makes the store's entry of the response.
func (v *response) entry(key, tags, path string, stamp int64, disconnected time.Duration) *Entry {
	fresh := v.freshUntil()
	window := max(v.policy.staleWhile, v.policy.staleIfError, int64(disconnected))
	if v.validatable() {
		window = max(window, int64(kept))
	}
	e := &Entry{stamp: stamp, tags: tags, path: strings.Clone(path), value: v, fresh: fresh, keep: fresh + window} // path is a piece of a request
	e.expire = e.keep
	e.size = entryOverhead + int64(len(key)+len(tags)+len(path)) + v.size()
	return e
}

// freshen returns the stored response as a 304 or a HEAD makes it: fields of the new header replace those stored
// (RFC 9111, section 3.2), except those that describe the stored body.
func (v *response) freshen(update http.Header) http.Header {
	h := v.header()
	for name, lines := range update {
		switch name {
		case "Content-Length", "Content-Encoding", "Content-Range":
			continue
		}
		h[name] = lines
	}
	return h
}

// sameBody reports whether an update with these validators speaks of the stored body (RFC 9111, section 4.3.4): a strong entity
// tag is that of the stored response and no weak form of it, and a weak one corresponds to it.
func (v *response) sameBody(update http.Header) bool {
	if lines := update["Etag"]; len(lines) > 0 {
		if !strings.HasPrefix(lines[0], "W/") {
			return lines[0] == v.etag
		}
		return weakEqual(lines[0], v.etag)
	}
	if t, ok := httpDate(update["Last-Modified"]); ok {
		return v.hasLM && t == v.modified
	}
	return true
}
