package proxy

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"slices"
)

// upstreamWriter keeps the header of the upstream's answer apart until it is sent. It then replaces what outer handlers set, as a
// handler's own Header().Set would, so no field is sent twice; and a 1xx answer does not clear what they set.
type upstreamWriter struct {
	next   http.ResponseWriter
	final  *overlay
	header http.Header // of the upstream; nil while it is the answer's own
}

func newUpstreamWriter(next http.ResponseWriter, final *overlay) *upstreamWriter {
	w := &upstreamWriter{next: next, final: final}
	if len(next.Header()) > 0 { // else there is nothing to keep it apart from
		w.header = make(http.Header, 8)
	}
	return w
}

func (w *upstreamWriter) Header() http.Header {
	if w.header == nil {
		return w.next.Header()
	}
	return w.header
}

// isAdditive reports whether each handler on the way may have something of its own to say in a field.
func isAdditive(name string) bool {
	return name == "Link" || name == "Server-Timing" || name == "Set-Cookie" || name == "Vary"
}

// merge puts the upstream's header into the answer's own, which what comes later, trailers, goes to directly.
func (w *upstreamWriter) merge() {
	h := w.next.Header()
	for name, values := range w.header {
		if had := h[name]; len(had) > 0 && isAdditive(name) {
			values = append(slices.Clip(had), values...)
		}
		h[name] = values
	}
	w.header = nil
	w.final.apply(h)
}

func (w *upstreamWriter) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.early(status)
		return
	}
	w.merge()
	w.next.WriteHeader(status)
}

// early sends a 1xx answer with the upstream's fields alone, and takes them out again: net/http has one header map for all.
func (w *upstreamWriter) early(status int) {
	if w.header == nil {
		w.next.WriteHeader(status)
		return
	}
	h := w.next.Header()
	kept := make(http.Header, len(h))
	for name, values := range h {
		kept[name] = values
		delete(h, name)
	}
	maps.Copy(h, w.header)
	w.next.WriteHeader(status)
	clear(h)
	maps.Copy(h, kept)
}

// abandon returns the writer underneath, for an answer in the upstream's place. It gets what rules and Handle set.
func (w *upstreamWriter) abandon() http.ResponseWriter {
	w.header = nil
	w.final.apply(w.next.Header())
	return w.next
}

func (w *upstreamWriter) Write(b []byte) (int, error) { return w.next.Write(b) }

// Unwrap lets [http.ResponseController] flush.
func (w *upstreamWriter) Unwrap() http.ResponseWriter { return w.next }

// Hijack takes the connection over for an upgrade. What outer handlers and the rules set for the answer goes out with
// the upstream's 101.
func (w *upstreamWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.next).Hijack()
	if err == nil {
		w.merge()
	}
	return conn, rw, err
}
