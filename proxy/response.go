package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// A Response is what a Handle func decides for one request: pass it on ([Next]), answer it ([JSON], [Respond],
// [Redirect], [Refuse]), or serve another path in its place ([Rewrite]). It is an immutable value: each method returns a
// changed copy, so an answer that is always the same can be made once and returned for every request.
//
// What is set for the request never reaches the answer, and what is set for the answer never reaches the request: they are kept
// apart here, not told apart by header names.
//
// The zero value is Next().
type Response struct {
	kind    kind
	status  int
	body    []byte
	target  string // of Redirect and Rewrite
	upgrade bool
	err     error // of Refuse, or the first misuse of a constructor or method

	header  []headerOp
	request []headerOp
	cookies []*http.Cookie
	values  []contextValue
}

type kind uint8

const (
	kindNext kind = iota
	kindAnswer
	kindRedirect
	kindRewrite
	kindRefuse
)

// headerOp is one change of a header: set, or add, or delete where del is true.
type headerOp struct {
	name, value string
	add, del    bool
}

type contextValue struct{ key, value any }

// Next passes the request on to the rules and the wrapped handler.
func Next() Response { return Response{} }

// JSON answers with status and the JSON of v as application/json. A v that cannot be marshalled is answered 500 and logged.
func JSON(status int, v any) Response {
	body, err := json.Marshal(v)
	if err != nil {
		return Response{kind: kindRefuse, err: fmt.Errorf("%w: JSON: %w", ErrHandle, err)}
	}
	return Respond(status, "application/json", body)
}

// Respond answers with status, a Content-Type (none where it is empty) and body, which must not be changed afterwards.
// A status outside 200 to 599 is answered 500 and logged: 1xx are no answers.
func Respond(status int, contentType string, body []byte) Response {
	if status < 200 || status > 599 {
		return Response{kind: kindRefuse, err: fmt.Errorf("%w: status %d must be between 200 and 599", ErrHandle, status)}
	}
	r := Response{kind: kindAnswer, status: status, body: body}
	if contentType != "" {
		r = r.SetHeader("Content-Type", contentType)
	}
	return r
}

// Redirect sends the client to location with status 301, 302, 303, 307 or 308 (RFC 9110, section 15.4). Of these only 307 and
// 308 keep the method and the body.
//
// The location is a path from the root with an optional query and fragment, such as "/login?next=%2Fa", or an absolute http or
// https URL whose host is in Config.RedirectHosts. Anything else, such as "//other.example", is answered 500 and
// logged: a location pasted together from a request cannot become an open redirect. Parts of the request's path are taken
// from its EscapedPath: the decoded one can hold a "?".
func Redirect(location string, status int) Response {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return Response{kind: kindRedirect, status: status, target: location}
	}
	return Response{kind: kindRefuse, err: fmt.Errorf("%w: Redirect: status %d must be 301, 302, 303, 307 or 308", ErrHandle, status)}
}

// Rewrite serves target instead of the path that was asked for, unseen by the client.
//
// A target that begins with a slash, such as "/echo/a?x=1", is a path of the wrapped handler, in the encoding of a URL. Its query
// replaces that of the request, also where it has none. The matchers and Handle run again on the new path, so that a rewrite
// cannot lead behind a guard; [Request.Rewrites] tells them how often that happened. Rewriting to the path and query
// that the request already has is Next.
//
// A target that begins with a scheme, such as "http://cms/a", is forwarded: its host must be a name in
// Config.Upstreams or the origin of one of their targets. Anything else is answered 500 and logged.
func Rewrite(target string) Response { return Response{kind: kindRewrite, target: target} }

// Refuse answers through Config.OnError with err, whose StatusCode method, where it has one, says the status. The
// text of err is logged and not sent.
func Refuse(err error) Response {
	if err == nil {
		err = fmt.Errorf("%w: Refuse without an error", ErrHandle)
	}
	return Response{kind: kindRefuse, err: err}
}

// SetHeader sets a field of the answer, whoever makes it: this Response, the wrapped handler or an upstream. It replaces what
// they set.
func (r Response) SetHeader(name, value string) Response {
	return r.change(headerOp{name: name, value: value})
}

// AddHeader adds a field line to the answer, beside those that the wrapped handler or an upstream sets.
func (r Response) AddHeader(name, value string) Response {
	return r.change(headerOp{name: name, value: value, add: true})
}

func (r Response) change(op headerOp) Response {
	if !checkHeader(&op) {
		return r.misuse("answer", op.name)
	}
	r.header = append(slices.Clip(r.header), op)
	return r
}

// SetCookie adds a cookie to the answer. A cookie that RFC 6265 does not allow is answered 500 and logged.
func (r Response) SetCookie(c *http.Cookie) Response {
	if err := c.Valid(); err != nil {
		if r.err == nil {
			r.err = fmt.Errorf("%w: %w", ErrHandle, err)
		}
		return r
	}
	copied := *c
	r.cookies = append(slices.Clip(r.cookies), &copied)
	return r
}

// SetRequestHeader sets a field of the request that the rules, the wrapped handler and upstreams see. It has an effect on Next
// and Rewrite.
func (r Response) SetRequestHeader(name, value string) Response {
	return r.changeRequest(headerOp{name: name, value: value})
}

// DelRequestHeader removes a field of the request that the rules, the wrapped handler and upstreams see. It has an effect
// on Next and Rewrite.
func (r Response) DelRequestHeader(name string) Response {
	return r.changeRequest(headerOp{name: name, del: true})
}

func (r Response) changeRequest(op headerOp) Response {
	if !checkHeader(&op) {
		return r.misuse("request", op.name)
	}
	r.request = append(slices.Clip(r.request), op)
	return r
}

// WithValue puts a value into the request's context for the wrapped handler, as [context.WithValue] does: the way to hand
// on what Handle found out, such as the user. A header field for that purpose could be sent by the client as well.
func (r Response) WithValue(key, value any) Response {
	r.values = append(slices.Clip(r.values), contextValue{key, value})
	return r
}

// AllowUpgrade lets a Rewrite to an upstream turn the connection into a WebSocket (RFC 6455). Without it, and for every other
// protocol, the request's Upgrade field is dropped: through an h2c connection a client would reach all of the upstream, past the rules.
func (r Response) AllowUpgrade() Response {
	r.upgrade = true
	return r
}

func (r Response) misuse(of, name string) Response {
	if r.err == nil {
		r.err = fmt.Errorf("%w: field %q of the %s cannot be set", ErrHandle, name, of)
	}
	return r
}

// checkHeader reports whether op may be applied, and puts its name into canonical form. The fields that frame a message or
// belong to one connection are net/http's to write.
func checkHeader(op *headerOp) bool {
	if !httpguts.ValidHeaderFieldName(op.name) || !httpguts.ValidHeaderFieldValue(op.value) {
		return false
	}
	op.name = http.CanonicalHeaderKey(op.name)
	switch op.name {
	case "Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return false
	}
	return !strings.HasPrefix(op.name, http.TrailerPrefix)
}

func (op headerOp) apply(h http.Header) {
	switch {
	case op.del:
		delete(h, op.name)
	case op.add:
		h[op.name] = append(h[op.name], op.value)
	default:
		h[op.name] = []string{op.value}
	}
}
