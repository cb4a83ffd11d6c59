package proxy

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which a request is refused, for [errors.Is] in Config.OnError. Each has a StatusCode method.
// A path that could be read in two ways is refused with 400 by an error of its own.
var (
	// ErrHandle is answered 500: Handle made a Response that cannot be sent, or it panicked.
	ErrHandle = refusal.New(http.StatusInternalServerError, "proxy: Handle failed")
	// ErrLoop is answered 508: internal rewrites lead in a circle, or a forwarded request came back.
	ErrLoop = refusal.New(http.StatusLoopDetected, "proxy: rewrites lead in a circle")
	// ErrTarget is answered 500: a Rewrite or Redirect names a place that the configuration does not allow.
	ErrTarget = refusal.New(http.StatusInternalServerError, "proxy: target is not allowed")
	// ErrHeader is answered 400: a parameter that the request gives to a header rule cannot stand in a header.
	ErrHeader = refusal.New(http.StatusBadRequest, "proxy: parameter cannot stand in a header")
	// ErrMethod is answered 501: TRACE would show a request's fields to scripts, CONNECT would open a tunnel.
	ErrMethod = refusal.New(http.StatusNotImplemented, "proxy: method is not forwarded")
	// ErrBodySize is answered 413: the request's body is larger than Upstream.MaxBody.
	ErrBodySize = refusal.New(http.StatusRequestEntityTooLarge, "proxy: request body is larger than allowed")
	// ErrBody is answered 400: the request's body ended early or could not be read.
	ErrBody = refusal.New(http.StatusBadRequest, "proxy: request body could not be read")
	// ErrUpstream is answered 502: the upstream could not be reached, or answered something that is not HTTP.
	ErrUpstream = refusal.New(http.StatusBadGateway, "proxy: upstream failed")
	// ErrUpstreamTimeout is answered 504.
	ErrUpstreamTimeout = refusal.New(http.StatusGatewayTimeout, "proxy: upstream did not answer in time")
	// ErrUnavailable is answered 503 with a Retry-After field: every target of the upstream failed of late.
	ErrUnavailable = refusal.New(http.StatusServiceUnavailable, "proxy: no target of the upstream is available")
)
