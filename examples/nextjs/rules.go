package main

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// control are the fields by which Next.js talks to itself. It takes them off requests; nothing here would read them.
var control = []string{
	"Next-Resume", "Next-Url", "X-Matched-Path", "X-Middleware-Next", "X-Middleware-Override-Headers", "X-Middleware-Redirect",
	"X-Middleware-Rewrite", "X-Middleware-Set-Cookie", "X-Middleware-Skip", "X-Nextjs-Data", "X-Now-Route-Matches",
}

// newProxy is proxy.ts and next.config.ts.
func (a *app) newProxy(mux *http.ServeMux, upstream string) (*proxy.Proxy, error) {
	a.toOpts = a.rewrite("/opts") // the same each time
	return proxy.New(proxy.Config{
		Matchers: []proxy.Matcher{
			{Source: "/api/:function*"},
			{Source: "/prwo/:path*"},
			{Source: "/secure/:path*"},
			{Source: "/prw/:path*"},
			{Source: "/pold/:path*"},
			{Source: "/pnext/:path*"},
			{Source: "/pext/:path*"},
			{Source: "/pjson"},
			{Source: "/pcookie"},
			{Source: "/pthrow"},
			{Source: "/ploop/:path*"},
			{Source: "/pwait"},
			{Source: "/phas", Has: []proxy.Condition{{Type: "header", Key: "x-a"}}, Missing: []proxy.Condition{{Type: "cookie", Key: "c"}}},
		},
		Handle: a.decide,
		Redirects: []proxy.RedirectRule{
			{Source: "/old-perm/:slug", Destination: "/new/:slug", Permanent: true},
			{Source: "/old-temp/:slug", Destination: "/new/:slug"},
			{Source: "/old-301/:path*", Destination: "/new/:path*", Status: 301},
			{Source: "/old-302/:path*", Destination: "/new/:path*", Status: 302},
			{Source: "/old-ext/:path*", Destination: "https://example.com/x/:path*?from=:path*"},
			{Source: "/old-has", Has: []proxy.Condition{{Type: "header", Key: "x-go"}}, Destination: "/new/has"},
			{Source: "/old-has-q", Has: []proxy.Condition{{Type: "query", Key: "id", Value: `(?<id>\d+)`}}, Destination: "/new/:id"},
			{Source: "/old-missing", Missing: []proxy.Condition{{Type: "cookie", Key: "session"}}, Destination: "/new/login"},
		},
		Rewrites: proxy.RewriteRules{After: []proxy.RewriteRule{
			{Source: "/cfg-rw/:path*", Destination: "/echo/:path*"},
			{Source: "/cfg-rw-q/:a/:b", Destination: "/echo/q"},
			{Source: "/cfgo/:path*", Destination: "/opts"},
			{Source: "/secure/:path*", Destination: "/echo/:path*"},
			{Source: "/cfg-ext/:path*", Destination: "http://upstream/:path*"},
		}},
		Headers: []proxy.HeaderRule{
			{Source: "/hdr/:path*", Headers: []proxy.HeaderField{{Key: "x-cfg", Value: "p-:path*"}}},
			{Source: "/hdr", Headers: []proxy.HeaderField{{Key: "x-frame-options", Value: "DENY"}}},
		},
		Upstreams:          map[string]proxy.Upstream{"upstream": {Targets: []string{upstream}}},
		Routes:             mux,
		TrailingSlash:      proxy.TrailingSlashRemove,
		DropRequestHeaders: control,
	})
}

var unauthorized = proxy.JSON(http.StatusUnauthorized, map[string]any{"success": false, "message": "authentication failed"})

// decide is the function of proxy.ts.
func (a *app) decide(r *proxy.Request) proxy.Response {
	switch r.Source {
	case "/api/:function*", "/secure/:path*":
		if !r.Preflight() && !authenticated(r.Request) {
			return unauthorized
		}
	case "/prwo/:path*":
		return a.toOpts
	case "/prw/:path*":
		return a.rewrite("/echo" + below(r.URL) + search(r.URL))
	case "/pold/:path*":
		return proxy.Redirect("/new"+below(r.URL), http.StatusTemporaryRedirect)
	case "/pnext/:path*":
		return proxy.Next().
			SetRequestHeader("x-added", "1").DelRequestHeader("x-remove").SetRequestHeader("x-utf", "a").
			SetHeader("x-resp", "r").
			SetCookie(&http.Cookie{ //nolint:gosec // the application sets it without Secure
				Name: "pc", Value: "v", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
			})
	case "/pext/:path*":
		return proxy.Rewrite("http://upstream" + below(r.URL) + search(r.URL))
	case "/pjson":
		return proxy.JSON(http.StatusTeapot, map[string]int{"a": 1}).SetHeader("x-j", "1")
	case "/pcookie":
		return cookies()
	case "/pthrow":
		panic("boom secret-in-error")
	case "/ploop/:path*":
		if below(r.URL) == "" {
			return proxy.Redirect(r.URL.EscapedPath()+search(r.URL), http.StatusTemporaryRedirect)
		}
	case "/pwait":
		r.After(func(ctx context.Context) {
			select {
			case <-time.After(500 * time.Millisecond):
				slog.InfoContext(ctx, "work after the answer is done")
			case <-ctx.Done():
			}
		})
	case "/phas":
		return proxy.JSON(http.StatusOK, map[string]bool{"has": true})
	}
	return proxy.Next()
}

func authenticated(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer secret")) == 1
}

// below returns the escaped path below its first segment: "/b/c" of "/a/b/c".
func below(u *url.URL) string {
	path := u.EscapedPath()
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[1+i:]
	}
	return ""
}

// search returns the query with its question mark, or nothing.
func search(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.RawQuery
}

func cookies() proxy.Response {
	set := http.Cookie{
		Name: "a", Value: url.PathEscape(`1 ;é"`), Path: "/x", Domain: "example.com",
		Expires: time.Now().Add(10 * time.Second), MaxAge: 10,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, Partitioned: true,
	}
	return proxy.Redirect("/new/c", http.StatusSeeOther).
		AddHeader("Set-Cookie", set.String()+"; Priority=high").                // Priority is Chrome's; net/http does not know it
		SetCookie(&http.Cookie{Name: "b", Path: "/", Expires: time.Unix(0, 0)}) //nolint:gosec // it deletes one
}
