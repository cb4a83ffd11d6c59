package proxy

import (
	"net/http"
	"strings"
)

// Routes is what a *[http.ServeMux] knows: the pattern that it serves a request by, or "".
type Routes interface {
	Handler(*http.Request) (http.Handler, string)
}

// route returns the pattern of the wrapped handler's route for r, be it for another method, or "".
func route(routes Routes, r *http.Request) string {
	if _, pattern := routes.Handler(r); pattern != "" {
		return pattern
	}
	for _, method := range [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		other := *r
		other.Method = method
		if _, pattern := routes.Handler(&other); pattern != "" {
			return pattern
		}
	}
	return ""
}

func hasRoute(routes Routes, r *http.Request) bool { return route(routes, r) != "" }

// hasFixedRoute reports whether the wrapped handler has a route whose pattern is the path itself.
func hasFixedRoute(routes Routes, r *http.Request) bool {
	pattern := strings.TrimSuffix(route(routes, r), "{$}")
	subtree := strings.HasSuffix(pattern, "/") && r.URL.Path[len(r.URL.Path)-1] != '/'
	return pattern != "" && !strings.Contains(pattern, "{") && !subtree && strings.HasSuffix(pattern, r.URL.Path)
}
