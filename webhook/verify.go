package webhook

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Check decides whether the provider sent r with exactly these body bytes, now. The error is, or wraps, one of the
// package's reasons. It reads no body, looks at neither method nor media type, and knows no duplicates: it is for
// callers that hold the body and have bounds of their own. Schemes with a keyed hash allocate nothing when they accept a
// delivery, of whatever size and shape; HTTP message signatures are the exception.
func (h *Handler) Check(r *http.Request, body []byte) error {
	_, err := h.ready.Load().verifier.Verify(addressed(r), body, h.config.Now())
	return err
}

// Verify reads r's body within the limits and returns the event that it is, or the reason for which it is none. It
// answers nothing, handles nothing and knows no duplicates. r.Body is left readable from its start, the same bytes.
//
// A handshake that the provider does not sign is refused here: see Handshake. The read deadline is a matter of the connection: only
// ServeHTTP sets it.
func (h *Handler) Verify(r *http.Request) (Event, error) {
	s := h.ready.Load()
	if !slices.Contains(s.methods, r.Method) {
		return Event{}, ErrMethod
	}
	if err := s.checkCoding(r); err != nil {
		return Event{}, err
	}
	if err := s.checkMediaType(r); err != nil {
		return Event{}, err
	}
	body, err := h.read(nil, r)
	if err != nil {
		return Event{}, err
	}
	return h.verify(s, addressed(r), body)
}

// VerifyBody is Check that returns the event. Like Check it looks at neither method nor media type.
func (h *Handler) VerifyBody(r *http.Request, body []byte) (Event, error) {
	return h.verify(h.ready.Load(), addressed(r), body)
}

// Contract returns what the provider promises and expects. Its slices must not be changed.
func (h *Handler) Contract() Contract { return h.ready.Load().contract }

// Handshake reads r's body within the limits and returns the answer to the handshake that r is. Both results are nil where it is none, as
// always with providers that have none. It answers nothing; r.Body is left readable from its start.
func (h *Handler) Handshake(r *http.Request) (*Reply, error) {
	s := h.ready.Load()
	if s.handshaker == nil || !s.allows(r.Method) {
		return nil, nil
	}
	if err := s.checkCoding(r); err != nil {
		return nil, err
	}
	body, err := h.read(nil, r)
	if err != nil {
		return nil, err
	}
	return s.handshaker.Handshake(addressed(r), body)
}

// addressed returns r, or a copy with an empty URL where it has none: a server's request always has one, one made by hand from a stored
// delivery may not, and schemes read it.
func addressed(r *http.Request) *http.Request {
	if r.URL != nil {
		return r
	}
	r = r.WithContext(r.Context())
	r.URL = &url.URL{}
	return r
}

// read returns the exact bytes of r's body and puts them back for a later reader. w may be nil.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := reqbody.Read(w, r, h.limits)
	if err != nil {
		return nil, err
	}
	r.Body = http.NoBody
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return body, nil
}

// verify is Verify once the body is there.
func (h *Handler) verify(s *ready, r *http.Request, body []byte) (Event, error) {
	now := h.config.Now()
	proof, err := s.verifier.Verify(r, body, now)
	if err != nil {
		return Event{}, err
	}
	return h.describe(s, r, body, now, proof), nil
}

// describe makes the Event of a verified delivery. What carries a secret does not enter it.
func (h *Handler) describe(s *ready, r *http.Request, body []byte, now time.Time, proof Proof) Event {
	e := Event{
		Provider: h.provider, SentAt: proof.SentAt, ReceivedAt: now,
		Method: r.Method, Header: r.Header, Body: body, Proof: proof,
	}
	if len(s.contract.SecretHeaders) > 0 {
		e.Header = r.Header.Clone()
		for _, name := range s.contract.SecretHeaders {
			e.Header.Del(name)
		}
	}
	if r.URL.RawQuery != "" {
		e.Query = r.URL.Query()
		for _, name := range s.contract.SecretQuery {
			e.Query.Del(name)
		}
	}
	s.verifier.Describe(r, &e)
	e.identify()
	return e
}

// allows reports whether method is one of those in Allow.
func (s *ready) allows(method string) bool {
	return slices.Contains(s.methods, method) || slices.Contains(s.contract.HandshakeMethods, method)
}

// checkCoding refuses a body in a content coding that the provider does not use: another reader of the request, before or
// behind us, might decode it and see other bytes than those that were verified.
func (s *ready) checkCoding(r *http.Request) error {
	for _, line := range r.Header["Content-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "" && coding != "identity" && !slices.Contains(s.contract.ContentEncodings, coding) {
				return fmt.Errorf("%w: %.40q", ErrContentEncoding, coding)
			}
		}
	}
	return nil
}

// checkMediaType refuses a body that is not of a type that the provider promises. A request without a body needs no type.
func (s *ready) checkMediaType(r *http.Request) error {
	if len(s.contract.MediaTypes) == 0 {
		return nil
	}
	lines := r.Header["Content-Type"]
	if len(lines) == 0 && (r.Body == nil || r.Body == http.NoBody) {
		return nil
	}
	if len(lines) != 1 {
		return fmt.Errorf("%w: %d Content-Type fields", ErrMediaType, len(lines))
	}
	mediaType, _, err := mime.ParseMediaType(lines[0])
	if err != nil || !slices.Contains(s.contract.MediaTypes, mediaType) {
		return fmt.Errorf("%w: %.80q", ErrMediaType, lines[0])
	}
	return nil
}
