package main

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/proxy"
	"github.com/gatehouse-go/gatehouse/security"
)

// visible is a request's URL as handlers are told it: a rewrite of next.config does not change it, one of proxy.ts does.
type visible struct {
	url  *url.URL
	host string
}

type visibleKey struct{}

// visibleURL returns what r looks like: what proxy.ts rewrote it to, else what the client asked for, which no rule changes.
func visibleURL(r *http.Request) visible {
	if v, ok := r.Context().Value(visibleKey{}).(visible); ok {
		return v
	}
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil { // net/http has read the same
		u = r.URL
	}
	return visible{u, r.Host}
}

// rewrite is NextResponse.rewrite(new URL(target, request.url)): the application asks itself, under its own name.
func (a *app) rewrite(target string) proxy.Response {
	u, err := url.Parse(target)
	if err != nil {
		return proxy.Refuse(err)
	}
	return proxy.Rewrite(target).WithValue(visibleKey{}, visible{u, strings.TrimPrefix(a.origin, "http://")})
}

// echo tells what of a request reached it.
func (a *app) echo(w http.ResponseWriter, r *http.Request) {
	v := visibleURL(r)
	path, query := v.url.EscapedPath(), serialise(v.url.RawQuery)
	writeJSON(w, map[string]any{
		"method":   r.Method,
		"url":      a.origin + path + query,
		"pathname": path,
		"search":   query,
		"params":   segments(r.PathValue("more")),
		"headers":  headers(r, v.host),
	})
}

// headers returns a request's fields as Node shows them, with what the server itself knows of the connection.
func headers(r *http.Request, host string) map[string]string {
	out := make(map[string]string)
	for name, values := range r.Header {
		name = strings.ToLower(name)
		switch name {
		case "cookie":
			out[name] = strings.Join(values, "; ")
		case "age", "authorization", "content-type", "from", "if-modified-since", "if-unmodified-since", "max-forwards",
			"proxy-authorization", "referer", "user-agent": // fields with one value: Node keeps the first
			out[name] = values[0]
		default:
			out[name] = strings.Join(values, ", ")
		}
	}
	if len(r.TransferEncoding) > 0 {
		out["transfer-encoding"] = strings.Join(r.TransferEncoding, ", ")
	}
	out["host"] = host
	delete(out, "x-forwarded-for")
	if addr := security.ClientAddr(r); addr.IsValid() {
		out["x-forwarded-for"] = addr.String()
	}
	out["x-forwarded-host"] = r.Host
	out["x-forwarded-proto"] = "http"
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		out["x-forwarded-port"] = strconv.Itoa(local.Port)
	}
	return out
}

// serialise reads a query and writes it anew, as URLSearchParams does, with a question mark before it (WHATWG URL, section 5).
func serialise(raw string) string {
	var b strings.Builder
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		name, value, _ := strings.Cut(pair, "=")
		b.WriteString(formEncode(formDecode(name)) + "=" + formEncode(formDecode(value)))
	}
	return b.String()
}

// formDecode leaves a percent sign that escapes nothing as it is.
func formDecode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' {
			b.WriteByte(' ')
			continue
		}
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func formEncode(s string) string {
	return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(s))
}
