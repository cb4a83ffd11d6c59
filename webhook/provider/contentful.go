package provider

import (
	"crypto"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Contentful is the scheme of Contentful's signed webhooks and app requests.
//
// Signed are four lines: method, path with query, header fields ("name:value" in lower case, sorted, joined by ";") and body, with
// HMAC-SHA256, as plain hex in x-contentful-signature. The fields are those that x-contentful-signed-headers lists; it must list itself and
// x-contentful-timestamp (milliseconds), and the topic where one is sent. The path is that of the endpoint's public URL, which is therefore
// required; the query is taken as received. Contentful's own library encodes a query twice; both forms are accepted.
//
// Type is the field X-Contentful-Topic. ID is x-contentful-idempotency-key, signed where it is listed: deduplication then goes by it,
// and else by the body. Tolerance: 30 seconds both ways, as in Contentful's library. Contentful waits 30 seconds and makes two more
// attempts.
//
// Source: https://www.contentful.com/developers/docs/extensibility/webhooks/request-verification and contentful/node-apps-toolkit src/requests.
type Contentful struct {
	// Secrets are the space's signing secrets, 64 characters each, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Fields of a signed request, as net/http keeps them.
const (
	contentfulSignature = "X-Contentful-Signature"
	contentfulSigned    = "X-Contentful-Signed-Headers"
	contentfulTimestamp = "X-Contentful-Timestamp"
	contentfulTopic     = "X-Contentful-Topic"
	contentfulKey       = "X-Contentful-Idempotency-Key"
)

// Provider returns "contentful".
func (Contentful) Provider() string { return "contentful" }

// Prepare returns a Verifier, or every mistake in s.
func (s Contentful) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &contentfulVerifier{window: newWindow(setup, contentfulTolerance)}
	requirePublicURL(setup, &c)
	v.keys = contentfulKeys(setup, s.Secrets, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	v.path = newContentfulPath(setup.PublicURL.EscapedPath())
	return v, nil
}

const contentfulTolerance = 30 * time.Second

// contentfulKeys returns a keyed hash for each secret, all of which have 64 characters.
func contentfulKeys(setup webhook.Setup, own []webhook.Secret, c *invalid.Config) []*keyed {
	for i, secret := range secretsOf(setup, own, &invalid.Config{}) {
		if text := secret.Reveal(); text != "" && (len(text) != 64 || strings.Trim(text, alphanumeric+"+/=_-") != "") {
			c.Hidden(secretField(i), "must have 64 letters, digits and characters of +/=_-")
		}
	}
	return rawKeys(setup, own, crypto.SHA256, c)
}

const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// contentfulVerifier is Contentful made ready.
type contentfulVerifier struct {
	keys   []*keyed
	path   contentfulPath
	window window
	fields room[signedFields]
}

// Contract returns what Contentful promises and expects.
func (*contentfulVerifier) Contract() webhook.Contract {
	return webhook.Contract{
		Methods:     []string{http.MethodPost, http.MethodPut, http.MethodGet, http.MethodDelete},
		Tolerance:   contentfulTolerance,
		AckTimeout:  30 * time.Second,
		RetryWindow: 5 * time.Minute,
	}
}

// Verify checks the signature and then the time it covers.
func (v *contentfulVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	signature, err := only(r.Header, contentfulSignature)
	if err != nil {
		return webhook.Proof{}, err
	}
	fields := v.fields.begin()
	defer v.fields.end(fields)
	defer fields.forget()
	if err := fields.read(r); err != nil {
		return webhook.Proof{}, err
	}
	if !plausible(Hex, signature, crypto.SHA256.Size()) {
		return webhook.Proof{}, fmt.Errorf("%w: x-contentful-signature is not 64 hexadecimal digits", webhook.ErrSignatureFormat)
	}
	key := v.match(signature, r, fields.line, body)
	if key == nil {
		return webhook.Proof{}, webhook.ErrSignature
	}
	sent, err := UnixMillis.parse(r.Header.Get(contentfulTimestamp))
	if err == nil {
		err = v.window.check(sent, now)
	}
	if err != nil {
		return webhook.Proof{}, err
	}
	return webhook.Proof{Secret: key.index, KeyID: key.id, SentAt: sent}, nil
}

// match returns the first key that gives signature for either form of the path and query, nil where none does.
func (v *contentfulVerifier) match(signature string, r *http.Request, fields, body []byte) *keyed {
	plain := v.path.isPlain(r.URL.RawQuery)
	for _, key := range v.keys {
		for _, encoded := range [...]bool{true, false} {
			if !encoded && plain {
				continue // the same as encoded
			}
			s := key.begin()
			matched := same(signature, contentfulMAC(s, r, &v.path, encoded, fields, body))
			key.end(s)
			if matched {
				return key
			}
		}
	}
	return nil
}

// contentfulMAC returns the signature, valid until s is given back.
func contentfulMAC(s *state, r *http.Request, path *contentfulPath, encoded bool, fields, body []byte) []byte {
	s.buf = append(append(s.buf, r.Method...), '\n')
	s.buf = append(path.append(s.buf, r.URL.RawQuery, encoded), '\n')
	s.buf = append(append(s.buf, fields...), '\n')
	s.flush()
	s.hash.Write(body)
	return s.encoded(Hex)
}

// Describe fills in what e says of itself.
func (*contentfulVerifier) Describe(r *http.Request, e *webhook.Event) {
	i := identity{
		provider: "contentful", bodySigned: true,
		typ: Source{Header: contentfulTopic}, id: Source{Header: contentfulKey},
	}
	var signed signedFields
	if signed.readNames(e.Header) == nil {
		for _, name := range signed.names {
			i.signedHeaders = append(i.signedHeaders, textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	i.Describe(r, e)
}

// Sign signs r as Contentful does: all its fields that begin with "x-contentful-", and the time.
func (s Contentful) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	c := invalid.Config{Package: "provider"}
	keys := contentfulKeys(webhook.Setup{Secrets: []webhook.Secret{key}}, nil, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	setMethod(r, (*contentfulVerifier)(nil).Contract())
	r.Header.Set(contentfulTimestamp, UnixMillis.format(now))
	r.Header.Del(contentfulSignature)
	r.Header.Set(contentfulSigned, "")
	var names []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Contentful-") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	r.Header.Set(contentfulSigned, strings.Join(names, ","))
	var fields signedFields
	if err := fields.read(r); err != nil {
		return nil, err
	}
	path := newContentfulPath(r.URL.EscapedPath())
	st := keys[0].begin()
	defer keys[0].end(st)
	r.Header.Set(contentfulSignature, string(contentfulMAC(st, r, &path, true, fields.line, body)))
	return body, nil
}

// GenerateSecret returns a new secret.
func (Contentful) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return HMAC{}.GenerateSecret()
}
