package httpsig

import (
	"net/url"
	"strings"
)

// Target is where a request was sent, as its sender wrote it, but for the query.
type Target struct {
	scheme    string // in lower case
	host      string
	authority string // the host in lower case, without the scheme's own port (RFC 9421, section 2.2.3)
	path      string // as it is escaped, and "/" where it is empty
}

// NewTarget returns the target that public is.
func NewTarget(public *url.URL) Target {
	t := Target{scheme: strings.ToLower(public.Scheme), host: public.Host, authority: strings.ToLower(public.Host), path: public.EscapedPath()}
	switch t.scheme {
	case "https":
		t.authority = strings.TrimSuffix(t.authority, ":443")
	case "http":
		t.authority = strings.TrimSuffix(t.authority, ":80")
	}
	if t.path == "" {
		t.path = "/"
	}
	return t
}

// appendQuery appends the query of u behind its question mark; nothing where there is none.
func appendQuery(b []byte, u *url.URL) []byte {
	if u.RawQuery == "" && !u.ForceQuery {
		return b
	}
	return append(append(b, '?'), u.RawQuery...)
}
