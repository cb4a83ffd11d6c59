package proxy

import "strings"

// A Target is where a rule sends one request.
type Target struct {
	// Origin is scheme://host[:port], or empty for a path of this server.
	Origin string
	// Path is the escaped path. It can be empty.
	Path string
	// Query holds the decoded query parameters.
	Query Query
	// Fragment is the escaped fragment, without its "#".
	Fragment string
}

// String returns the target as a URL for a Location header. A path of this server begins with exactly one slash, so
// that no value can turn it into the address of another host.
func (t Target) String() string {
	path := t.Path
	if t.Origin == "" {
		path = "/" + strings.TrimLeft(path, `/\`)
	}
	s := t.Origin + path
	if q := t.Query.Encode(); q != "" {
		s += "?" + q
	}
	if t.Fragment != "" {
		s += "#" + t.Fragment
	}
	return s
}
