package proxy

import (
	"context"
	"net/http"
)

// A Request is what Handle decides about: the HTTP request, and what its matcher found in it. It must not be changed
// ([Response] has methods for that) nor kept after Handle returns.
//
// Its URL has neither scheme nor host, whatever the client wrote into the request line. Its path was checked: the raw and the
// decoded form name the same segments, none of them a dot segment.
type Request struct {
	*http.Request
	// Source is that of the matcher that matched, or empty where there are no matchers. A Handle for several matchers tells
	// them apart by it: a test of the path can differ from the matcher in how it reads it, and lets through what the matcher caught.
	Source string
	// Params are the parameters of the matcher that matched, decoded. Without matchers there are none.
	Params Params

	rewrites int
	after    []func(context.Context)
}

// Rewrites returns how many internal rewrites led to the request's path: 0 for what the client asked for. The path of
// the client is still in the request's RequestURI.
func (r *Request) Rewrites() int { return r.rewrites }

// Preflight reports whether the request is a CORS preflight (Fetch Standard, section 3.3.2): OPTIONS that names an origin and
// the method to come. A browser sends it without credentials, so a guard that refuses it refuses every request that follows;
// let it pass to a CORS middleware or to the handler's OPTIONS.
func (r *Request) Preflight() bool {
	return r.Method == http.MethodOptions && r.Header["Origin"] != nil && r.Header["Access-Control-Request-Method"] != nil
}

// After runs work once the answer is sent, such as writing a log to a database. Its context is not cancelled when the
// client leaves, but after Config.AfterTimeout; it has the request's values. A panic in work is logged.
//
// At most Config.MaxAfter works run at a time; beyond that, work runs in the goroutine of its request, whose
// connection then waits. [Proxy.Close] waits for all work.
func (r *Request) After(work func(context.Context)) {
	if work != nil {
		r.after = append(r.after, work)
	}
}
