package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// TrailingSlash says what happens to a path that ends with a slash, "/" itself excepted.
type TrailingSlash int

const (
	// TrailingSlashKeep leaves it to the wrapped handler: a ServeMux redirects to the slash for its subtrees ("/static/").
	TrailingSlashKeep TrailingSlash = iota
	// TrailingSlashRemove redirects "/a/" to "/a", as Next.js does. A ServeMux with subtree patterns would redirect back.
	TrailingSlashRemove
	// TrailingSlashAdd redirects "/a" to "/a/", but not "/a.css", as Next.js does with trailingSlash.
	TrailingSlashAdd
)

// canonical returns the path that should have been asked for, escaped, or "" where it was: one slash between segments,
// and at the end what t says. Several slashes in a row are mended first, in an answer of their own.
func (t TrailingSlash) canonical(u *url.URL) string {
	path := u.Path
	if strings.Contains(path, "//") {
		return squeeze(u.EscapedPath())
	}
	switch {
	case t == TrailingSlashRemove && len(path) > 1 && path[len(path)-1] == '/':
		return strings.TrimSuffix(u.EscapedPath(), "/")
	case t == TrailingSlashAdd && path[len(path)-1] != '/' && !strings.Contains(path[strings.LastIndexByte(path, '/'):], "."):
		return u.EscapedPath() + "/"
	}
	return ""
}

// squeeze writes one slash for each run of them.
func squeeze(path string) string {
	var b strings.Builder
	b.Grow(len(path))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}

// parseLocation reads what Handle wants to redirect to, and returns it written anew: what a browser would read as another host is
// one here as well.
func parseLocation(raw string, hosts []string) (string, error) {
	if isPlainPath(raw) {
		return raw, nil
	}
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsFunc(raw, isUnsafe) || u.Opaque != "" || u.User != nil {
		return "", ErrTarget
	}
	if u.Scheme == "" && u.Host == "" && strings.HasPrefix(raw, "/") && !strings.HasPrefix(raw, "//") {
		return escapeUnsafe(u.String()), nil
	}
	if u.Scheme != "http" && u.Scheme != "https" || !allowsHost(hosts, u.Host) {
		return "", ErrTarget
	}
	return escapeUnsafe(u.String()), nil
}

// isPlainPath reports whether raw is a path of this server that every reader takes as it is written.
func isPlainPath(raw string) bool {
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return false
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.', c == '~':
		default:
			return false
		}
	}
	return true
}

// isUnsafe finds what URL parsers disagree on: the backslash, which browsers read as a slash, and what they remove.
func isUnsafe(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }

// allowsHost reports whether host, with its port, is in the list. "*.example.com" stands for one label before the rest.
func allowsHost(hosts []string, host string) bool {
	host = strings.ToLower(host)
	for _, h := range hosts {
		if h == host && h != "" {
			return true
		}
		if tail, ok := strings.CutPrefix(h, "*."); ok {
			if label, rest, _ := strings.Cut(host, "."); label != "" && rest == tail {
				return true
			}
		}
	}
	return false
}

// redirect answers with a Location: relative, as the client's Host is no source for anything else, or under BaseURL.
func (p *Proxy) redirect(w http.ResponseWriter, location string, status int) {
	if p.baseURL != "" && strings.HasPrefix(location, "/") {
		location = p.baseURL + location
	}
	w.Header()["Location"] = []string{location}
	w.WriteHeader(status)
}
