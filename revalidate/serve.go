package revalidate

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"
)

// countedByServer is how long, in bytes, a body may be for which net/http works out Content-Length by itself (see [http.ResponseWriter]): it holds
// so much back until the handler is done.
const countedByServer = 2048

// serve sends a stored response. age is the value of Age, and status that of Cache-Status, or empty.
func (v *response) serve(w http.ResponseWriter, r *http.Request, age, status string) {
	h := w.Header()
	// One backing array for all lines: the stored slices never get into a header that somebody may write to.
	lines := append(make([]string, 0, len(v.lines)+3), v.lines...)
	rest := lines
	for i := range v.fields {
		name, n := v.fields[i].name, len(v.fields[i].lines)
		own := rest[:n:n]
		rest = rest[n:]
		if name == "Vary" && h["Vary"] != nil { // middleware around the cache varies by fields of its own
			h["Vary"] = append(slices.Clip(h["Vary"]), own...)
			continue
		}
		h[name] = own
	}
	lines = append(lines, age)
	h["Age"] = lines[len(lines)-1 : len(lines) : len(lines)]
	if status != "" {
		if h["Cache-Status"] == nil {
			lines = append(lines, status)
			h["Cache-Status"] = lines[len(lines)-1 : len(lines) : len(lines)]
		} else {
			h["Cache-Status"] = append(slices.Clip(h["Cache-Status"]), status)
		}
	}
	if r.Header["If-None-Match"] != nil || r.Header["If-Modified-Since"] != nil {
		if v.notModified(r) {
			strip304(h)
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if r.Header["Range"] != nil && v.status == http.StatusOK && r.Method == http.MethodGet {
		if unit, set, _ := strings.Cut(r.Header.Get("Range"), "="); strings.EqualFold(unit, "bytes") {
			v.serveRange(w, r, "bytes="+set)
			return
		} // a unit that nobody knows is ignored (RFC 9110, section 14.2)
	}
	if v.length != "" && (len(v.body) > countedByServer || r.Method == http.MethodHead) {
		lines = append(lines, v.length)
		h["Content-Length"] = lines[len(lines)-1 : len(lines) : len(lines)]
	}
	w.WriteHeader(v.status)
	if r.Method != http.MethodHead && len(v.body) > 0 {
		_, _ = w.Write(v.body) // the client is gone if this fails
	}
}

// serveRange leaves ranges, in net/http's spelling, and If-Range to net/http (RFC 9110, section 14). The conditions of r that a
// cache answers did not hold, so they must not be looked at again.
func (v *response) serveRange(w http.ResponseWriter, r *http.Request, ranges string) {
	plain := new(http.Request)
	*plain = *r
	plain.Header = http.Header{"Range": {ranges}}
	if lines := r.Header["If-Range"]; lines != nil {
		plain.Header["If-Range"] = lines
	}
	var modified time.Time
	if v.hasLM {
		modified = time.Unix(0, v.modified)
	}
	http.ServeContent(w, plain, "", modified, bytes.NewReader(v.body))
}
