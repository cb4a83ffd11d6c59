package security

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// jsonWriter holds back an answer of JSON until it is whole. Its Unwrap leads to a writer that lets nothing of such an answer
// pass, but deadlines and, for other answers, everything.
type jsonWriter struct {
	next     http.ResponseWriter
	rules    *RedactJSON
	status   int
	holding  bool // the answer is JSON
	tooLarge bool
	held     []byte
}

func (w *jsonWriter) Header() http.Header { return w.next.Header() }

// WriteHeader sends the status at once where the answer is no JSON.
func (w *jsonWriter) WriteHeader(status int) {
	if status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols {
		w.next.WriteHeader(status)
		return
	}
	if w.status != 0 && w.holding {
		return
	}
	w.status = status
	if w.holding = isJSONAnswer(w.Header()); !w.holding {
		w.next.WriteHeader(status)
	}
}

// Write holds JSON back and passes the rest on.
func (w *jsonWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		if len(w.Header()["Content-Type"]) == 0 { // net/http would guess text from JSON, and a client that reads it anyway would see all
			w.Header()["Content-Type"] = []string{http.DetectContentType(b)}
			if trimmed := strings.TrimLeft(string(b[:min(len(b), 64)]), " \t\r\n"); trimmed != "" && strings.IndexByte(`{["`, trimmed[0]) >= 0 {
				w.Header()["Content-Type"] = []string{"application/json"}
			}
		}
		w.WriteHeader(http.StatusOK)
	}
	if !w.holding {
		return w.next.Write(b)
	}
	if int64(len(w.held)+len(b)) > w.rules.max {
		w.tooLarge = true
		return 0, ErrResponseLarge
	}
	w.held = append(w.held, b...)
	return len(b), nil
}

// FlushError flushes what was passed on. JSON stays back until it is whole.
func (w *jsonWriter) FlushError() error {
	if w.holding || w.status == 0 && isJSONAnswer(w.Header()) {
		return nil
	}
	return http.NewResponseController(w.next).Flush()
}

// Flush is FlushError for callers that know only [http.Flusher].
func (w *jsonWriter) Flush() { _ = w.FlushError() }

// Hijack takes over the connection, unless JSON is held back for it.
func (w *jsonWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.holding {
		return nil, nil, http.ErrNotSupported
	}
	return http.NewResponseController(w.next).Hijack()
}

// Unwrap returns the wrapped writer, for deadlines.
func (w *jsonWriter) Unwrap() http.ResponseWriter { return w.next }

// finish sends the redacted answer.
func (w *jsonWriter) finish(r *http.Request) {
	if !w.holding {
		return
	}
	if len(w.held) == 0 && !w.tooLarge { // to a HEAD, or a 204
		w.next.WriteHeader(w.status)
		return
	}
	var body []byte
	err := ErrResponseLarge
	if !w.tooLarge {
		body, err = w.rules.Redact(w.held)
	}
	if err != nil {
		w.rules.refuser.refuse(w.next, r, err)
		return
	}
	h := w.Header()
	delete(h, "Etag") // of the bytes before
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.next.WriteHeader(w.status)
	_, _ = w.next.Write(body) // the client is gone if this fails
}

// isJSONAnswer reports whether an answer is JSON by its type. One that a handler compressed is held too, and then cannot be read.
func isJSONAnswer(h http.Header) bool {
	for _, line := range h["Content-Type"] {
		name, _, _ := strings.Cut(strings.ToLower(line), ";")
		name = trimOWS(name)
		if name == "application/json" || name == "text/json" || strings.HasSuffix(name, "+json") {
			return true
		}
	}
	return false
}
