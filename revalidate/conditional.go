package revalidate

import (
	"net/http"
	"strings"
)

// weakEqual compares entity tags as If-None-Match does (RFC 9110, section 8.8.3.2).
func weakEqual(a, b string) bool {
	return a != "" && strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// notModified reports whether the conditions of r let a 304 stand for the response (RFC 9110, section 13.2.2, and
// RFC 9111, section 4.3.2). If-None-Match, where it is there, is all that counts.
func (v *response) notModified(r *http.Request) bool {
	if v.status != http.StatusOK {
		return false
	}
	return notModified(r, v.etag, v.modified)
}

func notModified(r *http.Request, etag string, modified int64) bool {
	if lines, ok := r.Header["If-None-Match"]; ok {
		for _, line := range lines {
			for rest := line; rest != ""; {
				var item string
				item, rest = cutItem(rest)
				if item == "*" || weakEqual(item, etag) {
					return true
				}
			}
		}
		return false
	}
	if since, ok := httpDate(r.Header["If-Modified-Since"]); ok {
		return modified <= since
	}
	return false
}

// conditional reports whether r has a condition that a cache answers.
func conditional(r *http.Request) bool {
	return r.Header["If-None-Match"] != nil || r.Header["If-Modified-Since"] != nil
}

// strip304 takes off what a 304 does not repeat (RFC 9110, section 15.4.5).
func strip304(h http.Header) {
	for _, name := range [...]string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range"} {
		delete(h, name)
	}
	if h["Etag"] != nil {
		delete(h, "Last-Modified")
	}
}
