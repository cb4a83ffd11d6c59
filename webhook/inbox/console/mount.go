package console

import (
	"net/http"
	"net/url"
	"strings"
)

// locate returns the path of r below the console's root, the relative link from there back to the root, and whether r is below it at all.
//
// Links are relative, and not made from the path of the request, for two reasons: a proxy in front may have removed a part of the
// path that the browser knows, and a path such as //elsewhere/console/ would make links to another host.
func (c *Console) locate(r *http.Request) (path, base string, ok bool) {
	prefix := c.prefix
	if prefix == "" {
		prefix = mount(r)
	}
	depth := strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/") - strings.Count(prefix, "/")
	base = "./"
	if depth > 0 {
		base = strings.Repeat("../", min(depth, 64))
	}
	path, ok = strings.CutPrefix(r.URL.Path, prefix)
	if prefix != "" && path != "" && path[0] != '/' {
		ok = false
	}
	return strings.TrimPrefix(path, "/"), base, ok && r.URL.RawPath == "" // no path of the console needs an encoding of its own
}

// mount returns the path under which an [http.ServeMux] has the console, unless somebody has taken it away since.
func mount(r *http.Request) string {
	_, pattern, ok := strings.Cut(r.Pattern, "/")
	if !ok {
		return ""
	}
	parts := strings.Split(pattern, "/")
	if last := parts[len(parts)-1]; last == "" || last == "{$}" || strings.HasSuffix(last, "...}") {
		parts = parts[:len(parts)-1]
	}
	segments := strings.Split(r.URL.Path, "/") // the first is empty
	if len(segments) <= len(parts) {
		return ""
	}
	for i, part := range parts {
		if segments[i+1] != part && !strings.HasPrefix(part, "{") {
			return ""
		}
	}
	prefix := strings.Join(segments[:len(parts)+1], "/")
	if asked, err := url.ParseRequestURI(r.RequestURI); err == nil && asked.Path == prefix+r.URL.Path {
		return "" // what is left begins with the same names by chance
	}
	return prefix
}

// addSlash sends a browser that asks for the root without its slash to the one with it, since relative links need it. It reports whether
// it did.
func (v *visit) addSlash() bool {
	asked, err := url.ParseRequestURI(v.r.RequestURI)
	if err != nil || strings.HasSuffix(asked.Path, "/") || asked.Path == "" || v.r.Method == http.MethodPost {
		return false
	}
	path := asked.EscapedPath()
	target := "./" + path[strings.LastIndex(path, "/")+1:] + "/"
	if asked.RawQuery != "" {
		target += "?" + asked.RawQuery
	}
	v.redirect(http.StatusPermanentRedirect, target)
	return true
}

// redirect sends the browser to a relative target. [http.Redirect] would make it absolute by the path that is seen here.
func (v *visit) redirect(status int, target string) {
	v.w.Header()["Location"] = []string{target}
	v.w.WriteHeader(status)
}
