package webhooktest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// refused checks that v refuses the delivery with a reason of the 4xx kind that shows no secret.
func (s *schemeTest) refused(what string, v webhook.Verifier, r *http.Request, body []byte) {
	_, err := v.Verify(r, body, s.At)
	if err == nil {
		s.fail("accepts a delivery %s", what)
		return
	}
	s.reason(what, err)
}

// reason checks the error of a refusal.
func (s *schemeTest) reason(what string, err error) {
	var coded interface{ StatusCode() int }
	if !errors.As(err, &coded) || coded.StatusCode() < 400 || coded.StatusCode() > 499 {
		s.fail("%s: %w has no status of the 4xx kind", what, err)
	}
	if strings.Contains(err.Error(), s.verifying.Reveal()) || strings.Contains(err.Error(), s.signing.Reveal()) {
		s.fail("%s: the reason shows a secret", what)
	}
}

// altered checks a delivery that is not the one that was signed: it is refused, or says nothing new in the signed part.
func (s *schemeTest) altered(what string, r *http.Request, body []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.fail("%s: panic: %v", what, v)
		}
	}()
	proof, err := s.verifier.Verify(r, body, s.At)
	if err != nil {
		s.reason(what, err)
		return
	}
	e := s.describe(r, body, proof)
	was := s.event
	switch {
	case e.IDSigned && e.ID != was.ID:
		s.fail("%s changes the signed ID from %q to %q", what, was.ID, e.ID)
	case e.TypeSigned && e.Type != was.Type:
		s.fail("%s changes the signed Type from %q to %q", what, was.Type, e.Type)
	case !proof.SentAt.Equal(was.Proof.SentAt):
		s.fail("%s changes the signed time", what)
	case e.Key != was.Key && !s.KeyHasUnsigned && s.Covers != Nothing && !e.Repeatable:
		s.fail("%s changes the Key: the same delivery could be handled again", what)
	}
	for _, name := range e.SignedHeaders {
		if fieldValue(r, name) != fieldValue(s.request0, name) {
			s.fail("%s changes %s, which is said to be signed", what, name)
		}
	}
}

// fieldValue returns the value of a header field as it counts: without the white space around it (RFC 9110, section 5.5).
func fieldValue(r *http.Request, name string) string {
	var values []string
	for _, value := range r.Header.Values(name) {
		values = append(values, strings.TrimSpace(value))
	}
	return strings.Join(values, ", ")
}

// body alters each byte of the body, cuts it short and makes it longer.
func (s *schemeTest) body() {
	for i := range s.sent {
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			body := slices.Clone(s.sent)
			body[i] ^= bit
			what := fmt.Sprintf("byte %d of the body altered by %#x", i, bit)
			if s.Covers == WholeBody {
				s.refused("with "+what, s.verifier, s.request0.Clone(s.ctx), body)
			} else {
				s.altered(what, s.request0.Clone(s.ctx), body)
			}
		}
	}
	for what, body := range map[string][]byte{
		"no body": nil, "a byte appended to the body": append(slices.Clone(s.sent), '\n'), "a byte before the body": append([]byte{' '}, s.sent...),
	} {
		s.altered(what, s.request0.Clone(s.ctx), body)
		if s.Covers == WholeBody && len(body) != len(s.sent) {
			s.refused("with "+what, s.verifier, s.request0.Clone(s.ctx), body)
		}
	}
}

// hostile are values that parsers of signatures, times and lists trip over.
var hostile = []string{
	"", " ", "0", "-1", "+1", "NaN", "Inf", "1e3", "0x10", "1.5", "١٢٣", "9223372036854775807", "9223372036854775808", "99999999999999999999999",
	"=", ",", ";", "==", "v1=", "v1,", "t=", "t=,v1=", "sha256=", "sha256", "sha1=", "sha256==", "v0=,v1=", "\x00", "\xff", "%", "%00", "\"", ":", "(", "()", "sig1=()",
	"null", "true", "{}", strings.Repeat("A", 4096), strings.Repeat(",", 4096), strings.Repeat("v1=00,", 700),
}

// fields alters each header field that the delivery has.
func (s *schemeTest) fields() {
	for name, values := range s.request0.Header {
		value := values[0]
		change := func(what string, to ...string) {
			r := s.request0.Clone(s.ctx)
			r.Header[name] = to
			if to == nil {
				delete(r.Header, name)
			}
			s.altered(fmt.Sprintf("%s of %s", what, name), r, s.sent)
		}
		for i := range len(value) {
			for _, bit := range []byte{0x01, 0x20} {
				b := []byte(value)
				b[i] ^= bit
				change(fmt.Sprintf("byte %d altered by %#x", i, bit), string(b))
			}
		}
		change("removal")
		change("a copy", value, value)
		change("an empty twin", value, "")
		change("an empty twin before", "", value)
		change("half", value[:len(value)/2])
		change("all but the last byte", value[:max(len(value)-1, 0)])
		change("a space after", value+" ")
		change("doubling in one field", value+", "+value)
		change("capitals", strings.ToUpper(value))
		for _, junk := range hostile {
			change(fmt.Sprintf("replacement by %.20q", junk), junk)
			change(fmt.Sprintf("%.20q before", junk), junk+value)
			change(fmt.Sprintf("%.20q after", junk), value+junk)
		}
	}
}

// request alters method, host and query.
func (s *schemeTest) request() {
	for what, change := range map[string]func(*http.Request){
		"another method":       func(r *http.Request) { r.Method = http.MethodPut },
		"another host":         func(r *http.Request) { r.Host, r.URL.Host = "evil.example", "evil.example" },
		"a forwarded host":     func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example") },
		"a parameter added":    func(r *http.Request) { r.URL.RawQuery += "&injected=1" },
		"the query removed":    func(r *http.Request) { r.URL.RawQuery = "" },
		"another path":         func(r *http.Request) { r.URL.Path += "/x" },
		"an unrelated field":   func(r *http.Request) { r.Header.Set("X-Unrelated", "1") },
		"every field doubled":  func(r *http.Request) { doubleAll(r.Header) },
		"no header at all":     func(r *http.Request) { r.Header = http.Header{} },
		"a nil header and URL": func(r *http.Request) { r.Header, r.URL = nil, &url.URL{} },
	} {
		r := s.request0.Clone(s.ctx)
		change(r)
		s.altered(what, r, s.sent)
	}
}

func doubleAll(h http.Header) {
	for name, values := range h {
		h[name] = append(slices.Clone(values), values...)
	}
}

// clock moves the receiver's time to the edges of the tolerance and far beyond.
func (s *schemeTest) clock() {
	tolerance := s.verifier.Contract().Tolerance
	if s.event.Proof.SentAt.IsZero() {
		return
	}
	if tolerance <= 0 {
		s.fail("a signed time without Contract.Tolerance: a captured delivery stays valid for ever")
		return
	}
	year := 365 * 24 * time.Hour
	sent := s.event.Proof.SentAt
	for _, row := range []struct {
		now  time.Time
		want error
	}{
		{sent.Add(tolerance), nil},
		{sent.Add(-tolerance), nil},
		{sent.Add(tolerance + time.Second), webhook.ErrTooOld},
		{sent.Add(-tolerance - time.Second), webhook.ErrTooNew},
		{sent.Add(10 * year), webhook.ErrTooOld},
		{sent.Add(-10 * year), webhook.ErrTooNew},
	} {
		if _, err := s.verifier.Verify(s.request0.Clone(s.ctx), s.sent, row.now); !errors.Is(err, row.want) {
			s.fail("received %v after it was sent: %v, want %v", row.now.Sub(sent), err, row.want)
		}
	}
}
