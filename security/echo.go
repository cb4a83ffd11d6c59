package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// echoes are the credentials of a request that must not come back in its answer.
type echoes struct {
	auth     [2][]string
	cookie   []string
	password string // of Basic credentials, which a handler may have decoded; "" where there is none, or a short one
}

// echoesOf returns the credentials among the fields of a request.
func echoesOf(header http.Header) echoes {
	in := echoes{auth: [2][]string{header["Authorization"], header["Proxy-Authorization"]}, cookie: header["Cookie"]}
	if lines := in.auth[0]; len(lines) > 0 && len(lines[0]) > len("basic ") && strings.EqualFold(lines[0][:len("basic ")], "basic ") {
		if _, password, ok := parseBasic(trimOWS(lines[0][len("basic "):])); ok && len(password) >= leastCredential {
			in.password = password
		}
	}
	return in
}

// hasCredentials reports whether a request has a field that must not come back.
func hasCredentials(header http.Header) bool {
	return len(header["Authorization"]) > 0 || len(header["Cookie"]) > 0 || len(header["Proxy-Authorization"]) > 0
}

const (
	// leastCredential is the length from which the text of Authorization is looked for.
	leastCredential = 8
	// leastCookie is the length from which a cookie's value is taken for a credential: shorter ones, such as a language,
	// are rightly found in answers.
	leastCookie = 16
)

// dropEchoes removes the fields whose value holds a credential of the request or a secret of the application.
//
// A neighbour on a sibling domain can plant a cookie with any text. So that no such text takes a field away on which the safety of
// an answer rests, our own values are never looked at, and cookies are not looked for in fields that say what the answer is.
func (hw *headersWriter) dropEchoes(header http.Header, in echoes) {
	h := hw.headers
	for name, values := range header {
		if i := slices.Index(h.names, name); i >= 0 && len(values) == 1 && values[0] == h.values[i] {
			continue
		}
		cookies := !describesAnswer(name) && !slices.Contains(h.names, name) && !h.echoAllowed[name]
		holds := func(v string) bool { return in.within(v, cookies) || h.secrets.Contains(v) }
		if slices.ContainsFunc(values, func(v string) bool {
			return holds(v) || strings.IndexByte(v, '%') >= 0 && holds(percentDecode(v))
		}) {
			delete(header, name)
			h.logger.LogAttrs(hw.request.Context(), slog.LevelError, "response field held a credential and was dropped", slog.String("field", name))
		}
	}
}

// describesAnswer reports whether a field tells what the answer is or who may use it, or, as Set-Cookie, may rightly
// hold a cookie's value again.
func describesAnswer(name string) bool {
	switch name {
	case "Allow", "Cache-Control", "Connection", "Date", "Etag", "Expires", "Last-Modified", "Retry-After", "Set-Cookie", "Strict-Transport-Security",
		"Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Www-Authenticate", "X-Content-Type-Options", "X-Frame-Options":
		return true
	}
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Cross-Origin-") || strings.HasPrefix(name, "Access-Control-")
}

// within reports whether value holds a credential of the request.
func (in *echoes) within(value string, cookies bool) bool {
	for _, lines := range in.auth {
		for _, line := range lines {
			if _, credentials, ok := strings.Cut(line, " "); ok && len(credentials) >= leastCredential {
				line = trimOWS(credentials)
			}
			if len(line) >= leastCredential && strings.Contains(value, line) {
				return true
			}
		}
	}
	if in.password != "" && strings.Contains(value, in.password) {
		return true
	}
	if !cookies {
		return false
	}
	for _, line := range in.cookie {
		for pair := range strings.SplitSeq(line, ";") {
			_, v, _ := strings.Cut(pair, "=")
			if v = strings.Trim(v, ` "`); len(v) >= leastCookie && strings.Contains(value, v) {
				return true
			}
		}
	}
	return false
}

// percentDecode decodes what is percent-encoded in s and leaves the rest as it is, so that one stray percent sign hides
// nothing.
func percentDecode(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && s[i+1] != '+' {
				b = append(b, byte(n))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
