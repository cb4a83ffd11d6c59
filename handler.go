package gatehouse

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/problem"
)

// Methods says which handler serves which method of a resource. At least one must be set; the same handler may serve
// several. A method that is not set is answered by [Handler] itself.
type Methods struct {
	// Get serves GET, and HEAD unless Head is set or UnsafeGet is true.
	Get http.Handler
	// Head serves HEAD. Nil means that Get serves it; net/http then leaves the body out.
	Head http.Handler
	Post http.Handler
	Put  http.Handler
	// Patch serves PATCH (RFC 5789).
	Patch  http.Handler
	Delete http.Handler
	// Options serves OPTIONS. Nil means 204 with Allow.
	Options http.Handler
	// RefuseOptions answers OPTIONS with 405 and leaves it out of Allow, as Next.js does for pages: a document that no script
	// of another origin asks about needs no answer to it. It excludes Options.
	RefuseOptions bool
	// Extra serves further methods by their exact, case-sensitive names (RFC 9110, section 9.1), such as PROPFIND.
	// Methods that have a field of their own, TRACE (it sends a client's credentials back to whoever can read the
	// answer) and CONNECT (its target is no resource) are refused.
	Extra map[string]http.Handler

	// UnsafeGet says that Get changes something, as a webhook that a provider calls by GET does. HEAD is then
	// answered 405 rather than by Get: a client, a scanner or a link preview may send HEAD wherever it likes, because the method is
	// defined as safe (RFC 9110, section 9.2.1).
	UnsafeGet bool

	// Static says that Get gives every visitor the same answer until the next build, so that [Export] may write it to
	// a file. It does not change how requests are served.
	Static bool
}

// Handler serves one resource: each method by its handler, OPTIONS and unknown methods by itself. It is made by
// [CreateHandler], holds no changing state and serves requests concurrently.
//
//   - OPTIONS without a handler of its own: 204 with Allow, unless Methods.RefuseOptions is set.
//   - A method without a handler, including TRACE: 405 with Allow and an application/problem+json body (RFC 9110,
//     section 15.5.6; RFC 9457).
//   - "OPTIONS *", which asks about the server and not about a resource (RFC 9110, section 9.3.7): 204 without
//     Allow. net/http answers it before any handler unless http.Server.DisableGeneralOptionsHandler is set.
//
// Middlewares given to CreateHandler run around all of these, so that a CORS middleware sees preflight requests and an access log sees refusals.
type Handler struct {
	chain    http.Handler // middlewares around dispatch
	byMethod map[string]http.Handler
	methods  []string // sorted, for Allow
	allow    string   // the value of Allow
	static   bool

	refuseOptions bool
}

// CreateHandler bundles m into one handler inside mw, the first middleware outermost. It is the place for a route's own middlewares; those
// of the whole server go around the mux.
//
// It returns every mistake at once: no handler at all, a nil handler (also a nil func or pointer in an interface), a
// name in Extra that is not a method token or must not be there, a nil middleware or one that returns nil, and Static
// or UnsafeGet without Get, or both together.
func CreateHandler(m Methods, mw ...alice.Constructor) (*Handler, error) {
	c := invalid.Config{Package: "gatehouse"}
	h := &Handler{byMethod: m.byMethod(&c), static: m.Static, refuseOptions: m.RefuseOptions}
	if len(h.byMethod) == 0 {
		c.Hidden("Methods", "must have at least one handler")
	}
	m.checkGet(&c)
	if m.RefuseOptions && m.Options != nil {
		c.Hidden("Methods.RefuseOptions", "excludes Options")
	}
	if get := h.byMethod[http.MethodGet]; get != nil && h.byMethod[http.MethodHead] == nil && !m.UnsafeGet {
		h.byMethod[http.MethodHead] = get
	}
	h.methods = allowed(h.byMethod, m.RefuseOptions)
	h.allow = strings.Join(h.methods, ", ")
	h.chain = chain(&c, http.HandlerFunc(h.dispatch), mw)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return h, nil
}

// byMethod returns the handlers that are set, by method, and notes those that cannot be called.
func (m Methods) byMethod(c *invalid.Config) map[string]http.Handler {
	set := make(map[string]http.Handler)
	for _, f := range []struct {
		field, method string
		handler       http.Handler
	}{
		{"Get", http.MethodGet, m.Get},
		{"Head", http.MethodHead, m.Head},
		{"Post", http.MethodPost, m.Post},
		{"Put", http.MethodPut, m.Put},
		{"Patch", http.MethodPatch, m.Patch},
		{"Delete", http.MethodDelete, m.Delete},
		{"Options", http.MethodOptions, m.Options},
	} {
		if f.handler == nil {
			continue
		}
		if isNil(f.handler) {
			c.Hidden("Methods."+f.field, fmt.Sprintf("must not be a nil %T", f.handler))
		}
		set[f.method] = f.handler
	}
	for _, method := range slices.Sorted(maps.Keys(m.Extra)) {
		field, handler := fmt.Sprintf("Methods.Extra[%q]", method), m.Extra[method]
		if rule := extraRule(method); rule != "" {
			c.Hidden(field, rule)
		}
		if isNil(handler) {
			c.Hidden(field, "must not be nil")
		}
		set[method] = handler
	}
	return set
}

func (m Methods) checkGet(c *invalid.Config) {
	if m.Static && m.Get == nil {
		c.Hidden("Methods.Static", "needs Get")
	}
	if m.UnsafeGet && m.Get == nil {
		c.Hidden("Methods.UnsafeGet", "needs Get")
	}
	if m.Static && m.UnsafeGet {
		c.Hidden("Methods.Static", "excludes UnsafeGet: what changes something cannot be exported")
	}
}

// extraRule returns the rule that method breaks as a key of Extra, or "".
func extraRule(method string) string {
	if !isToken(method) {
		return "must be a method token (RFC 9110, section 9.1)"
	}
	switch upper := strings.ToUpper(method); upper {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return "has a field of its own"
	case http.MethodTrace:
		return "must not be served: it sends credentials back"
	case http.MethodConnect:
		return "must not be served: its target is no resource"
	}
	return ""
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isNil also sees a nil func, pointer or map inside the interface.
func isNil(h http.Handler) bool {
	if h == nil {
		return true
	}
	switch v := reflect.ValueOf(h); v.Kind() {
	case reflect.Func, reflect.Pointer, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}

// allowed returns the methods that are answered with something better than 405.
func allowed(byMethod map[string]http.Handler, refuseOptions bool) []string {
	methods := slices.Collect(maps.Keys(byMethod))
	if byMethod[http.MethodOptions] == nil && !refuseOptions {
		methods = append(methods, http.MethodOptions)
	}
	slices.Sort(methods)
	return methods
}

// chain puts mw around h. It is alice.New(mw...).Then(h) with a nil middleware reported rather than called.
func chain(c *invalid.Config, h http.Handler, mw []alice.Constructor) http.Handler {
	for i, m := range slices.Backward(mw) {
		if m == nil {
			c.Hidden(fmt.Sprintf("middleware %d", i), "must not be nil")
			continue
		}
		if h = m(h); h == nil {
			c.Hidden(fmt.Sprintf("middleware %d", i), "must return a handler")
			h = http.NotFoundHandler() // for the next middleware to wrap; the constructor fails anyway
		}
	}
	return h
}

// Methods returns the methods that Allow lists, sorted. The caller owns the slice.
func (h *Handler) Methods() []string { return slices.Clone(h.methods) }

// ServeHTTP serves r by the handler of its method.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e, ok := r.Context().Value(exportKey{}).(*exportRequest); ok && !e.admit(h) {
		problem.Write(w, r, problem.Details{Status: http.StatusNotFound})
		return
	}
	h.chain.ServeHTTP(w, r)
}

func (h *Handler) dispatch(w http.ResponseWriter, r *http.Request) {
	if serve := h.byMethod[r.Method]; serve != nil {
		serve.ServeHTTP(w, r)
		return
	}
	if r.Method == http.MethodOptions && (!h.refuseOptions || r.URL.Path == "*") {
		if r.URL.Path != "*" {
			w.Header()["Allow"] = []string{h.allow} // a slice of its own: what wraps us may change it
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header()["Allow"] = []string{h.allow}
	problem.Write(w, r, problem.Details{Status: http.StatusMethodNotAllowed})
}
