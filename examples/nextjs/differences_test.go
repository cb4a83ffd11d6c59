package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A difference is one row of DIFFERENCES.md. It is recognised by the request, and by what Next.js answered, never by
// the name of a row.
type difference struct {
	id      string // first column of the table
	applies func(*row) bool
	check   func(*rig, *row, answered) string // says what is wrong with our answer, or nothing
}

var differences = []difference{
	{"ambiguous path", isAmbiguous, func(_ *rig, _ *row, got answered) string { return got.is(http.StatusBadRequest) }},
	{"absolute-form target", func(r *row) bool { return strings.HasPrefix(r.Path, "http://") }, sameAsFor(func(target string) string {
		u, _ := url.Parse(target)
		return u.RequestURI()
	})},
	{"encoded letters", func(r *row) bool { return unreserved(r.Path) != r.Path }, sameAsFor(unreserved)},
	{"letters of the other case", func(r *row) bool { return lowerFirst(r.Path) != r.Path && isMatched(r.Path) }, sameAsFor(lowerFirst)},
	{"data of a page", isPageData, func(_ *rig, r *row, got answered) string {
		if first := strings.ToLower(firstSegment(r.Path)); (strings.HasPrefix(first, "api.") || strings.HasPrefix(first, "secure.")) && r.field("Authorization") != "Bearer secret" {
			return got.is(http.StatusUnauthorized)
		}
		if uri, ok := members(got.body)["u"].(string); ok && !strings.Contains(uri, below(&url.URL{Path: pathOf(r)})) {
			return "the upstream was asked for " + uri
		}
		if got.status >= http.StatusInternalServerError && !strings.HasPrefix(r.Path, "/pthrow") {
			return "it failed"
		}
		return ""
	}},
	{"path in a query", func(r *row) bool {
		return strings.EqualFold(firstSegment(r.Path), "old-ext") && strings.ContainsAny(pathOf(r), "+&=")
	}, func(_ *rig, r *row, got answered) string {
		want, _ := url.PathUnescape(pathOf(r)[len("/old-ext/"):])
		u, err := url.Parse(got.header.Get("Location"))
		if err != nil || u.Query().Get("from") != want || u.Path != "/x/"+want {
			return "Location is " + got.header.Get("Location")
		}
		return ""
	}},
	{"HEAD with a side effect", func(r *row) bool { return isSideEffect(r.Path) && (r.Method == "HEAD" || r.Method == "OPTIONS") }, func(_ *rig, r *row, got answered) string {
		if r.Method == "HEAD" {
			return got.is(http.StatusMethodNotAllowed)
		}
		if allow := got.header.Get("Allow"); allow != "GET, OPTIONS" {
			return "Allow is " + allow
		}
		return got.is(http.StatusNoContent)
	}},
	{"405 without Allow", func(r *row) bool { return r.Expect.Status == 405 && r.expected().header["Allow"] == nil }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusMethodNotAllowed)
	}},
	{"preflight of a guarded path", func(r *row) bool { return r.Method == "OPTIONS" && r.field("Access-Control-Request-Method") != "" }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusNoContent)
	}},
	{"unknown method", func(r *row) bool { return r.Path != "*" && !isStandard(r.Method) && r.Method != "TRACE" }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusNotImplemented)
	}},
	{"TRACE", func(r *row) bool { return r.Method == "TRACE" }, func(g *rig, r *row, got answered) string {
		if isForwarded(r) {
			return got.is(http.StatusNotImplemented)
		}
		other := *r
		other.Method = "PUT"
		want, err := g.send(&other)
		if err != nil {
			return err.Error()
		}
		if got.status != want.status || location(got) != location(want) || !slices.Equal(got.header["Allow"], want.header["Allow"]) {
			return fmt.Sprintf("PUT is answered %v", want)
		}
		return ""
	}},
	{"server-wide OPTIONS", func(r *row) bool { return r.Method == "OPTIONS" && r.Path == "*" }, func(_ *rig, _ *row, got answered) string { return got.is(http.StatusOK) }},
	{"callback without a token", func(r *row) bool { return isCallback(r) && callbackParam(r, "session_token") == "" }, refused},
	{"callback without a target", func(r *row) bool {
		target := callbackParam(r, "redirect_url")
		return isCallback(r) && (target == "" || strings.HasPrefix(target, "#"))
	}, refused},
	{"callback as an open redirect", func(r *row) bool { return isCallback(r) && !isOwn(r.expected().header.Get("Location")) }, refused},
	{"callback with an ambiguous target", func(r *row) bool { return isCallback(r) && isAmbiguousTarget(callbackParam(r, "redirect_url")) }, refused},
	{"callback with an invalid target", func(r *row) bool { return isCallback(r) && r.Expect.Status == 500 }, refused},
	{"session cookie", func(r *row) bool { return isCallback(r) && !claimsConnection(r) }, sealed},
	{"client's word on its connection", claimsConnection, func(_ *rig, r *row, got answered) string {
		if isCallback(r) {
			if !strings.HasPrefix(got.header.Get("Location"), "http://localhost:3100/") {
				return "a request field changed the Location"
			}
			return sealedCookie(got)
		}
		if r.Expect.Status == 500 {
			if got.status >= http.StatusInternalServerError {
				return "a request field made it fail"
			}
			return ""
		}
		return sameBody(got, r, "headers", func(h map[string]any) string {
			if h["x-forwarded-host"] != "127.0.0.1:3100" || h["x-forwarded-proto"] != "http" || h["x-forwarded-port"] != "3100" {
				return "the client's claims were taken"
			}
			return ""
		}, "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port")
	}},
	{"query sent upstream", func(r *row) bool { return isForwarded(r) && isLooseQuery(r.Path) }, func(_ *rig, _ *row, got answered) string {
		uri, _ := members(got.body)["u"].(string)
		if _, query, _ := strings.Cut(uri, "?"); isLooseQuery("?" + query) {
			return "the upstream got " + uri
		}
		return ""
	}},
	{"fields sent upstream", isForwarded, func(_ *rig, r *row, got answered) string {
		return sameBody(got, r, "h", func(h map[string]any) string {
			for _, name := range []string{"connection", "keep-alive", "proxy-authorization", "upgrade"} {
				if h[name] != nil {
					return "the upstream got " + name
				}
			}
			for _, name := range []string{"via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"} {
				if h[name] == nil {
					return "the upstream got no " + name
				}
			}
			return ""
		}, "connection", "keep-alive", "proxy-authorization", "upgrade", "via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port")
	}},
	{"request fields in the answer", func(r *row) bool { return r.Path == "/hdr" && r.Method == "GET" }, func(_ *rig, _ *row, got answered) string { return got.is(http.StatusOK) }},
	{"length and coding at once", func(r *row) bool { return r.field("Content-Length") != "" && r.field("Transfer-Encoding") == "chunked" }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusOK)
	}},
	{"unknown transfer coding", func(r *row) bool { return r.field("Transfer-Encoding") == "gzip" }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusNotImplemented)
	}},
	{"two Host fields", func(r *row) bool { return len(r.Headers["Host"]) > 1 }, func(_ *rig, _ *row, got answered) string { return got.is(http.StatusBadRequest) }},
	{"body without bound", func(r *row) bool { return len(r.Body) > maxBody }, func(_ *rig, _ *row, got answered) string {
		return got.is(http.StatusRequestEntityTooLarge)
	}},
}

// refused is a 400 that sends the client nowhere and sets nothing.
func refused(_ *rig, _ *row, got answered) string { return got.is(http.StatusBadRequest) }

// sameAsFor checks that a request is answered like the one with the plainer target.
func sameAsFor(plain func(string) string) func(*rig, *row, answered) string {
	return func(g *rig, r *row, got answered) string {
		plainer := *r
		plainer.Path = plain(r.Path)
		want, err := g.send(&plainer)
		if err != nil {
			return err.Error()
		}
		// A redirect to the path that was asked for has its letters.
		if got.status != want.status || !strings.EqualFold(location(got), location(want)) || !slices.Equal(got.header["Allow"], want.header["Allow"]) {
			return fmt.Sprintf("%s is answered %v", plainer.Path, want)
		}
		return ""
	}
}

func pathOf(r *row) string {
	target := r.Path
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.RequestURI()
	}
	target, _, _ = strings.Cut(target, "?")
	return target
}

// isAmbiguous is the rule for paths, in words other than those of the package that applies it.
func isAmbiguous(r *row) bool {
	raw := pathOf(r)
	if strings.Contains(r.Path, "#") {
		return true
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' }) {
		return true
	}
	if strings.Count(decoded, "/") != strings.Count(raw, "/") {
		return true
	}
	return slices.ContainsFunc(strings.Split(decoded, "/"), func(s string) bool { return s == "." || s == ".." })
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unreserved decodes what never needed encoding in a path.
func unreserved(target string) string {
	raw, query, hasQuery := strings.Cut(target, "?")
	raw = escape.ReplaceAllStringFunc(raw, func(s string) string {
		if c, _ := url.PathUnescape(s); regexp.MustCompile(`^[A-Za-z0-9._~-]$`).MatchString(c) {
			return c
		}
		return s
	})
	if hasQuery {
		raw += "?" + query
	}
	return raw
}

func firstSegment(target string) string {
	target, _, _ = strings.Cut(target, "?")
	first, _, _ := strings.Cut(strings.TrimPrefix(target, "/"), "/")
	return first
}

func lowerFirst(target string) string {
	first := firstSegment(target)
	return strings.Replace(target, first, strings.ToLower(first), 1)
}

// isMatched reports whether the function of proxy.ts is for the path, in either case.
func isMatched(target string) bool {
	first, _, _ := strings.Cut(strings.ToLower(firstSegment(target)), ".")
	return slices.Contains([]string{"api", "secure", "prwo", "prw", "pold", "pnext", "pext", "pjson", "pcookie", "pthrow", "ploop", "pwait", "phas"}, first)
}

func isSideEffect(target string) bool {
	return slices.Contains([]string{"webhook", "webhook-now", "webhook-max", "callback"}, firstSegment(target))
}

func isStandard(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method)
}

func isCallback(r *row) bool { return pathOf(r) == "/callback" && r.Method == "GET" }

func callbackParam(r *row, name string) string {
	_, query, _ := strings.Cut(r.Path, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return formDecode(value)
		}
	}
	return ""
}

// isOwn reports whether a Location leads to the application, by any of the names it runs under.
func isOwn(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	own := u.Host == "localhost:3100" || u.Host == "127.0.0.1:3100"
	return raw == "" || u.Scheme == "http" && own && u.User == nil || u.Scheme == "https" && u.Host == "localhost:3100" && u.User == nil
}

// isAmbiguousTarget finds return targets that browsers and servers read in two ways: with what browsers drop or turn round,
// with a scheme but no authority, with a scheme that the application does not have, or with escapes that are none.
func isAmbiguousTarget(target string) bool {
	if strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '\\' }) || strings.Contains(target, "%zz") {
		return true
	}
	lower := strings.ToLower(target)
	return strings.HasPrefix(lower, "https://localhost") || strings.HasPrefix(lower, "http:") && !strings.HasPrefix(lower, "http://")
}

func sealed(_ *rig, r *row, got answered) string {
	if got.status != r.Expect.Status || location(got) != location(r.expected()) {
		return fmt.Sprintf("status or Location differ: %v", got)
	}
	return sealedCookie(got)
}

// sealedCookie checks the one cookie, which must not show the token.
func sealedCookie(got answered) string {
	cookies := got.header["Set-Cookie"]
	if len(cookies) != 1 {
		return fmt.Sprintf("cookies: %q", cookies)
	}
	c, err := http.ParseSetCookie(cookies[0])
	if err != nil || c.Name != "__Host-_token" || c.Path != "/" || c.Domain != "" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || len(c.Value) < 40 {
		return fmt.Sprintf("cookie: %q", cookies[0])
	}
	return ""
}

// claimsConnection reports whether the client sent fields that are for proxies to send.
func claimsConnection(r *row) bool {
	for name := range r.Headers {
		switch strings.ToLower(name) {
		case "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto":
			return isCallback(r) || members(r.expected().body, "headers") != nil || strings.HasPrefix(firstSegment(r.Path), "prw")
		}
	}
	return false
}

// isPageData reports whether Next.js takes the path for the data of another one, by its ending.
func isPageData(r *row) bool {
	p := strings.ToLower(pathOf(r))
	return strings.HasSuffix(p, ".rsc") || isMatched(r.Path) && strings.HasSuffix(p, ".json") && strings.Count(p, "/") == 1
}

func isForwarded(r *row) bool {
	first := strings.ToLower(firstSegment(r.Path))
	return first == "pext" || first == "cfg-ext"
}

// isLooseQuery finds queries that readers take in two ways: with semicolons or invalid escapes.
func isLooseQuery(target string) bool {
	_, query, _ := strings.Cut(target, "?")
	_, err := url.ParseQuery(query)
	return err != nil || strings.Contains(query, ";")
}

// sameBody checks that two bodies agree but for the named fields in the object member, and then the object itself.
func sameBody(got answered, r *row, member string, check func(map[string]any) string, fields ...string) string {
	without := func(body []byte) string {
		var v map[string]any
		if json.Unmarshal([]byte(jsonOf(body)), &v) != nil {
			return "no JSON: " + string(body)
		}
		if h, ok := v[member].(map[string]any); ok {
			for _, name := range fields {
				delete(h, name)
			}
		}
		if u, ok := v["url"].(string); ok {
			v["url"] = strings.Replace(u, "https://", "http://", 1)
		}
		return marshal(v)
	}
	if g, w := without(got.body), without(r.expected().body); g != w {
		return fmt.Sprintf("bodies differ: %s, %s", g, w)
	}
	if got.status != r.Expect.Status || location(got) != location(r.expected()) {
		return "status or Location differ"
	}
	return check(members(got.body, member))
}
