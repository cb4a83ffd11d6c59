package security

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/respwriter"
)

// headersWriter is the ResponseWriter that [Headers] gives to a handler. It is pooled, as net/http pools the buffers
// beneath its own, so that the fields of an answer cost no allocation.
type headersWriter struct {
	respwriter.Writer
	headers *Headers
	finish  func(int) int // the method value of beforeHeader, bound once
	request *http.Request
	nonce   *nonceState // nil where the policy has none

	// values backs the one-element slices in the header map. Between two uses it is compared with what it was filled
	// with: a handler that wrote into such a slice changed its own answer, and no other.
	values []string
}

func (h *Headers) newWriter() any {
	hw := &headersWriter{headers: h, values: slices.Clone(h.values)}
	hw.finish = hw.beforeHeader
	return hw
}

// begin sets the fields of the answer to r. They are set before the handler runs, so that it can see and replace them.
func (hw *headersWriter) begin(w http.ResponseWriter, r *http.Request) {
	hw.Reset(w)
	hw.BeforeHeader = hw.finish
	hw.request = r
	h := hw.headers
	header := w.Header()
	for i, name := range h.names {
		if i >= h.tlsOnly && r.TLS == nil && !h.behindTLS {
			break
		}
		header[name] = hw.values[i : i+1 : i+1]
	}
}

func (hw *headersWriter) withNonce(r *http.Request) *http.Request {
	if hw.nonce = noteOf(r.Context()).takeNonce(); hw.nonce != nil {
		return r
	}
	hw.nonce = new(nonceState)
	return r.WithContext(context.WithValue(r.Context(), nonceKey{}, hw.nonce))
}

// end sends the header of an answer that the handler left empty, as net/http would after it, and gives hw back.
// From then on the header map beneath is only read, and by nobody who could write to this answer again.
func (hw *headersWriter) end() {
	switch {
	case hw.Hijacked():
	case hw.Status() == 0:
		hw.WriteHeader(http.StatusOK)
	case hw.headers.secrets != nil || hasCredentials(hw.request.Header):
		if header := hw.Header(); hasTrailer(header) {
			hw.guard(header) // what was set since the header was sent
		}
	}
	hw.Reset(endedWriter{})
	hw.request, hw.nonce = nil, nil
	if slices.Equal(hw.values, hw.headers.values) {
		hw.headers.writers.Put(hw)
	}
}

// abandon takes out what must not leave after a panic: its recovery answers past hw with the header as it is. hw is left to the garbage
// collector.
func (hw *headersWriter) abandon() {
	if hw.Status() == 0 && !hw.Hijacked() {
		hw.guard(hw.Header())
	}
}

// hasTrailer reports whether fields of the map may leave in a trailer section (see [http.ResponseWriter]).
func hasTrailer(header http.Header) bool {
	if len(header["Trailer"]) > 0 {
		return true
	}
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// guard takes out of the header what must not leave.
func (hw *headersWriter) guard(header http.Header) {
	for _, name := range [...]string{
		"Server", "server", "X-Powered-By", "x-powered-by", "X-Aspnet-Version", "X-Aspnetmvc-Version", "Authorization", "Proxy-Authorization", "Cookie",
	} {
		delete(header, name)
	}
	for _, name := range hw.headers.drop {
		delete(header, name)
	}
	if hw.headers.secrets != nil || hasCredentials(hw.request.Header) {
		hw.dropEchoes(header, echoesOf(hw.request.Header))
	}
}

// beforeHeader is the last look at the header.
func (hw *headersWriter) beforeHeader(status int) int {
	header := hw.Header()
	hw.guard(header)
	if hw.nonce != nil {
		if nonce := hw.nonce.close(); nonce != "" {
			hw.applyNonce(header, nonce)
		}
	}
	return status
}

// applyNonce names the nonce in the policies that the handler did not replace, and keeps the answer out of caches: replayed,
// the nonce would be known to an attacker (CSP Level 3, section 7.2).
func (hw *headersWriter) applyNonce(header http.Header, nonce string) {
	for _, policy := range [...]struct {
		name string
		text *cspText
	}{{"Content-Security-Policy", &hw.headers.csp}, {"Content-Security-Policy-Report-Only", &hw.headers.cspReport}} {
		if values := header[policy.name]; policy.text.usesNonce() && len(values) == 1 && values[0] == policy.text.plain {
			header[policy.name] = []string{policy.text.with(nonce)}
		}
	}
	header["Cache-Control"] = []string{"no-store"}
	for _, name := range [...]string{"Cdn-Cache-Control", "Surrogate-Control", "Expires", "Etag", "Last-Modified"} {
		delete(header, name) // each could make a cache keep the answer or take it for a stored one
	}
}
