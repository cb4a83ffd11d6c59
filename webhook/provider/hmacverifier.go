package provider

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// orNil returns v as a Verifier, and nil itself in case of an error.
func orNil(v *hmacVerifier, err error) (webhook.Verifier, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// hmacVerifier is an HMAC made ready.
type hmacVerifier struct {
	HMAC
	identity

	template template
	keys     []*keyed
	size     int // of the hash
	url      publicURL
	window   window
}

// Contract returns what the provider promises and expects.
func (v *hmacVerifier) Contract() webhook.Contract { return v.HMAC.Contract }

// Verify checks the signature first and the time it covers after, so that "too old" in a log is a true delivery that was late or replayed.
func (v *hmacVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	field, err := only(r.Header, v.Header)
	if err != nil {
		return webhook.Proof{}, err
	}
	in := values{url: v.url, request: r, body: body}
	if err := v.read(&in, field); err != nil {
		return webhook.Proof{}, err
	}
	in.field, in.separator = field, v.Separator
	key, err := v.match(&in, field)
	if err != nil {
		return webhook.Proof{}, err
	}
	return v.timely(webhook.Proof{Secret: key.index, KeyID: key.id}, &in, now)
}

// timely completes proof with the signed time, which must lie within the tolerance.
func (v *hmacVerifier) timely(proof webhook.Proof, in *values, now time.Time) (webhook.Proof, error) {
	if !v.timed() {
		return proof, nil
	}
	var err error
	if v.TimestampJSON != "" {
		proof.SentAt, err = v.TimestampFormat.parseRaw(raw(in.body, v.TimestampJSON))
	} else {
		proof.SentAt, err = v.TimestampFormat.parse(in.timestamp)
	}
	if err != nil {
		return webhook.Proof{}, err
	}
	if err := v.window.check(proof.SentAt, now); err != nil {
		return webhook.Proof{}, err
	}
	return proof, nil
}

// read takes the signed values beside the body from the header.
func (v *hmacVerifier) read(in *values, field string) error {
	var err error
	switch {
	case v.TimestampHeader != "":
		if in.timestamp, err = only(in.request.Header, v.TimestampHeader); err != nil {
			return fmt.Errorf("%w: %s", webhook.ErrTimestamp, v.TimestampHeader)
		}
	case v.TimestampField != "":
		if in.timestamp, err = v.timestampIn(field); err != nil {
			return err
		}
	}
	if v.IDHeader != "" {
		if in.id, err = only(in.request.Header, v.IDHeader); err != nil {
			return err
		}
		if v.forbidInID != "" && strings.ContainsAny(in.id, v.forbidInID) {
			return fmt.Errorf("%w: %s has a character that separates what is signed", webhook.ErrSignatureFormat, v.IDHeader)
		}
	}
	return nil
}

// timestampIn returns the one time among the pairs of the signature header.
func (v *hmacVerifier) timestampIn(field string) (string, error) {
	value, err := pair(field, v.Separator, v.TimestampField)
	if err == nil && value == "" {
		err = fmt.Errorf("%w: no %s in %s", webhook.ErrTimestamp, v.TimestampField, v.Header)
	}
	return value, err
}

// candidate takes the next signature off rest: what stands behind the prefix. ok is false for a part that is no signature of
// this version.
func (v *hmacVerifier) candidate(rest string) (text, remaining string, ok bool) {
	text = rest
	if v.Separator != "" {
		text, remaining, _ = strings.Cut(rest, v.Separator)
		text = strings.TrimSpace(text)
	}
	if v.SignatureField != "" {
		name, value, found := strings.Cut(text, "=")
		if !found || name != v.SignatureField {
			return "", remaining, false
		}
		text = value
	}
	text, ok = strings.CutPrefix(text, v.Prefix)
	return text, remaining, ok
}

// match returns the first secret that gives one of the signatures in field.
func (v *hmacVerifier) match(in *values, field string) (*keyed, error) {
	for _, key := range v.keys {
		s := key.begin()
		err := v.template.hash(s, in)
		if err != nil {
			key.end(s)
			return nil, err
		}
		want := s.encoded(v.Encoding)
		matched := false
		for rest := field; rest != "" && !matched; {
			text, remaining, ok := v.candidate(rest)
			matched = ok && same(text, want)
			rest = remaining
		}
		key.end(s)
		if matched {
			return key, nil
		}
	}
	return nil, v.mismatch(field)
}

// mismatch says why no signature in field matched.
func (v *hmacVerifier) mismatch(field string) error {
	for rest := field; rest != ""; {
		text, remaining, ok := v.candidate(rest)
		if ok && plausible(v.Encoding, text, v.size) {
			return webhook.ErrSignature
		}
		rest = remaining
	}
	return fmt.Errorf("%w: no signature of the expected version, encoding and length in %s", webhook.ErrSignatureFormat, v.Header)
}
