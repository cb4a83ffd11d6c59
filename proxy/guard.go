package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// guard calls Handle where a matcher takes the request, again for each path that Handle rewrites to. It reports whether the request is
// still to be served.
func (e *exchange) guard() bool {
	for {
		source, params, ok := e.p.matchers.match(e.r)
		if !ok {
			return true
		}
		response := e.ask(source, params)
		if response.err != nil {
			if response.kind == kindRefuse { // else it is a misuse, of which nothing is sent
				e.final = e.final.with(&response)
			}
			e.fail(response.err)
			return false
		}
		switch response.kind {
		case kindNext:
			e.note(&response)
			return true
		case kindAnswer:
			e.final.with(&response).apply(e.w.Header())
			e.w.WriteHeader(response.status)
			if len(response.body) > 0 && e.r.Method != http.MethodHead {
				_, _ = e.w.Write(response.body) // the client is gone if this fails
			}
			return false
		case kindRedirect:
			location, err := parseLocation(response.target, e.p.redirectHosts)
			if err != nil {
				e.fail(fmt.Errorf("Redirect to %s: %w", withoutQuery(response.target), err))
				return false
			}
			e.final.with(&response).apply(e.w.Header())
			e.p.redirect(e.w, location, response.status)
			return false
		default:
			changed, ok := e.rewriteTo(&response)
			if !ok {
				return false
			}
			if !changed {
				return true
			}
		}
	}
}

// ask calls Handle. A panic in it becomes an error, so that it is answered like any other.
func (e *exchange) ask(source string, params Params) (response Response) {
	e.private = false // Handle may keep it
	request := &Request{Request: e.r, Source: source, Params: params, rewrites: e.rewrites, after: e.after}
	defer func() {
		e.after = request.after
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // the way to hang up, not a fault; net/http compares it like this
				panic(v)
			}
			response = Response{err: fmt.Errorf("%w: panic: %v", ErrHandle, v)}
		}
	}()
	return e.p.handle(request)
}

// note keeps what Handle set for the answer, and changes the request as it says.
func (e *exchange) note(response *Response) {
	e.final = e.final.with(response)
	if len(response.request) > 0 {
		if !e.cloned {
			e.own()
			e.r.Header, e.cloned = e.r.Header.Clone(), true
		}
		for _, op := range response.request {
			op.apply(e.r.Header)
			unlist(e.r.Header, op.name)
		}
		e.request = append(e.request, response.request...)
	}
	if len(response.values) > 0 {
		ctx := e.r.Context()
		for _, v := range response.values {
			ctx = context.WithValue(ctx, v.key, v.value) //nolint:fatcontext // one for each value that Handle set
		}
		e.r, e.private = e.r.WithContext(ctx), true
	}
}

// withoutQuery quotes a target for the log, without the part that holds tokens.
func withoutQuery(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return strconv.Quote(target)
}

// unlist takes a field's name out of Connection. A client that lists it there would otherwise have the next hop drop what
// Handle set (RFC 9110, section 7.6.1).
func unlist(h http.Header, name string) {
	for i, line := range h["Connection"] {
		if !strings.Contains(strings.ToLower(line), strings.ToLower(name)) {
			continue
		}
		var kept []string
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); !strings.EqualFold(token, name) {
				kept = append(kept, token)
			}
		}
		h["Connection"][i] = strings.Join(kept, ", ") // the header is a copy of ours
	}
}

// rewriteTo does what a Rewrite of Handle says. It reports whether the path changed, and whether the request is still to be served.
func (e *exchange) rewriteTo(response *Response) (changed, ok bool) {
	e.note(response)
	u, err := url.Parse(response.target)
	if err != nil {
		e.fail(fmt.Errorf("%w: Rewrite to %s", ErrTarget, withoutQuery(response.target)))
		return false, false
	}
	if u.Scheme == "" && u.Host == "" {
		if u.EscapedPath() == e.r.URL.EscapedPath() && u.RawQuery == e.r.URL.RawQuery {
			return false, true
		}
		if err := e.to(u.EscapedPath(), u.RawQuery); err != nil {
			if !errors.Is(err, ErrLoop) { // the path is of the application's making
				err = fmt.Errorf("%w: Rewrite to %s: %w", ErrTarget, withoutQuery(response.target), err)
			}
			e.fail(err)
			return false, false
		}
		return true, true
	}
	up := e.p.upstreams.find(u.Scheme + "://" + u.Host)
	if up == nil || u.User != nil || u.Opaque != "" {
		e.fail(fmt.Errorf("%w: Rewrite to %s", ErrTarget, withoutQuery(response.target)))
		return false, false
	}
	e.forward(up, u.EscapedPath(), u.RawQuery, response.upgrade)
	return false, false
}
