package otel

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// methods are those that the semantic conventions know by themselves (RFC 9110, section 9, and RFC 5789).
var methods = []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}

// Wrap traces and counts every request, as OpenTelemetry's instrumentation of net/http does: a span and http.server.request.duration. A
// request's trace is that of W3C Trace Context; see Config.InsecureTrustParent. It MUST be outermost, so that it sees what the stages
// of a chain refuse. Its ResponseWriter keeps Flush, Hijack and the rest.
func (t *Telemetry) Wrap(next http.Handler) http.Handler {
	options := []otelhttp.Option{
		otelhttp.WithMeterProvider(t.config.Meters), otelhttp.WithTracerProvider(t.config.Traces),
		otelhttp.WithPropagators(propagation.TraceContext{}), // and no baggage, which a stranger would write
	}
	if !t.config.InsecureTrustParent {
		options = append(options, otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }))
	}
	return otelhttp.NewHandler(next, "server", options...)
}

// Route tells Wrap which pattern of mux took a request: the span is named by method and pattern, and http.route counts it. mux is an [http.ServeMux], or
// what sets the Pattern of the request that it is given. It SHOULD be directly around the mux: a stage between Wrap and the mux that copies the
// request, as those do which put something in its context, hides the pattern from Wrap.
func (t *Telemetry) Route(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { // a panic counts for its route too
			_, path, found := strings.Cut(r.Pattern, " ")
			if !found {
				path = r.Pattern
			}
			if path == "" {
				return
			}
			route := semconv.HTTPRoute(path)
			span := trace.SpanFromContext(r.Context())
			method := r.Method
			if !slices.Contains(methods, method) { // clients choose it
				method = "HTTP"
			}
			span.SetName(method + " " + path)
			span.SetAttributes(route)
			if labels, ok := otelhttp.LabelerFromContext(r.Context()); ok {
				labels.Add(route)
			}
		}()
		mux.ServeHTTP(w, r)
	})
}
