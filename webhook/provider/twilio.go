package provider

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Twilio is the scheme of Twilio's webhooks for calls, messages and the rest (not SendGrid's).
//
// Signed is the URL with its query, followed for a form by each parameter's name and value, sorted by name, with HMAC-SHA1, as base64 in
// X-Twilio-Signature. For another body the query has its SHA-256 as bodySHA256, which is checked. The endpoint's public URL is therefore
// required. The query is taken as received, and must begin with that of the public URL. Host and X-Forwarded-* are never read. Twilio itself
// is not consistent about a port in the URL: the signature may be of the URL with the port or without.
//
// Values of one name enter sorted and once, as Twilio's Node, Python and Ruby libraries have it. (Its Go library takes the first
// value only, which leaves the rest unsigned.) Names and values are joined without a border, which is Twilio's weakness: who
// has captured a delivery can move letters between a name and its value.
//
// There is no signed time, and the field I-Twilio-Idempotency-Token is not signed. Deduplication goes by the URL's query and the parameters: two
// like requests in one call, such as the same key pressed twice, count as one, so switch it off where answers steer a call. ID is
// MessageSid, SmsSid or CallSid: a message or call, not an event. Twilio waits 15 seconds.
//
// Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security and twilio-go client/request_validator.go.
type Twilio struct {
	// Secrets are auth tokens of the account, primary and secondary, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "twilio".
func (Twilio) Provider() string { return "twilio" }

// Prepare returns a Verifier, or every mistake in s.
func (s Twilio) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &twilioVerifier{}
	v.urls[0] = requirePublicURL(setup, &c)
	v.keys = rawKeys(setup, s.Secrets, crypto.SHA1, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	v.urls[1] = otherPort(setup.PublicURL)
	return v, nil
}

// rawKeys returns a keyed hash for each secret as text.
func rawKeys(setup webhook.Setup, own []webhook.Secret, h crypto.Hash, c *invalid.Config) []*keyed {
	var keys []*keyed
	for _, t := range tokensOf(setup, own, c) {
		keys = append(keys, newKeyed(t.index, t.secret.ID(), h, []byte(t.secret.Reveal())))
	}
	return keys
}

// otherPort returns u without its query: with the scheme's port where u has no port, without port where it has one.
func otherPort(u *url.URL) publicURL {
	bare := *u
	bare.RawQuery, bare.ForceQuery = "", false
	switch {
	case u.Port() != "":
		bare.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	case u.Scheme == "https":
		bare.Host += ":443"
	default:
		bare.Host += ":80"
	}
	return publicURL{path: bare.String()}
}

// twilioVerifier is Twilio made ready.
type twilioVerifier struct {
	keys  []*keyed
	urls  [2]publicURL // as configured, and with the port that it lacks or without that which it has
	forms room[form]
}

// Contract returns what Twilio promises and expects.
func (*twilioVerifier) Contract() webhook.Contract {
	return webhook.Contract{Methods: []string{http.MethodPost, http.MethodGet}, AckTimeout: 15 * time.Second}
}

// Verify checks the URL, and the parameters or the digest of the body.
func (v *twilioVerifier) Verify(r *http.Request, body []byte, _ time.Time) (webhook.Proof, error) {
	signature, err := only(r.Header, "X-Twilio-Signature")
	if err != nil {
		return webhook.Proof{}, err
	}
	if !plausible(Base64, signature, crypto.SHA1.Size()) {
		return webhook.Proof{}, fmt.Errorf("%w: X-Twilio-Signature is not base64 of 20 bytes", webhook.ErrSignatureFormat)
	}
	if !v.urls[0].fits(r) {
		return webhook.Proof{}, errQuery
	}
	params := v.forms.begin()
	defer v.forms.end(params)
	params.joined = params.joined[:0]
	if err := twilioParams(params, r, body); err != nil {
		return webhook.Proof{}, err
	}
	for _, key := range v.keys {
		for i := range v.urls {
			s := key.begin()
			matched := same(signature, twilioSignature(s, &v.urls[i], r, params))
			key.end(s)
			if matched {
				return webhook.Proof{Secret: key.index, KeyID: key.id}, nil
			}
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// twilioSignature returns the signature of r at u, valid until s is given back.
func twilioSignature(s *state, u *publicURL, r *http.Request, params *form) []byte {
	s.buf = u.appendTarget(s.buf, r)
	s.flush()
	s.hash.Write(params.joined)
	return s.encoded(Base64)
}

// twilioParams joins in params what is signed beside the URL. A body that the query has a digest of is checked against it, and is not
// signed again.
func twilioParams(params *form, r *http.Request, body []byte) error {
	if !readForm(params, r.URL.RawQuery) {
		return fmt.Errorf("%w: the query cannot be read", webhook.ErrSignatureFormat)
	}
	if digest, n := params.Get("bodySHA256"); n > 0 {
		sum := sha256.Sum256(body)
		var text [2 * sha256.Size]byte
		if n > 1 || !same(digest, Hex.encode(text[:], sum[:])) {
			return fmt.Errorf("%w: bodySHA256 is not that of the body", webhook.ErrSignature)
		}
		return nil
	}
	if !readForm(params, body) {
		return fmt.Errorf("%w: not a form, and the query has no bodySHA256", webhook.ErrPayload)
	}
	params.join()
	return nil
}

// Describe fills in what e says of itself.
func (v *twilioVerifier) Describe(r *http.Request, e *webhook.Event) {
	params := v.forms.begin()
	defer v.forms.end(params)
	if !readForm(params, e.Body) || r.URL.Query().Has("bodySHA256") {
		e.Key = webhook.NewKey("twilio", []byte("body"), []byte(r.URL.RawQuery), e.Body)
		return
	}
	params.join()
	e.Key = webhook.NewKey("twilio", []byte("form"), []byte(r.URL.RawQuery), params.joined)
	text := e.Body
	if len(text) == 0 {
		text = []byte(r.URL.RawQuery) // of a GET, signed as part of the URL
	}
	if !readForm(params, text) {
		return
	}
	e.ID, e.IDSigned = params.firstOf("MessageSid", "SmsSid", "CallSid")
	e.Type, e.TypeSigned = params.firstOf("EventType", "MessageStatus", "SmsStatus", "CallStatus")
}

// Sign signs r as Twilio does. A body that is not marked as a form is signed through bodySHA256, which enters the query.
func (s Twilio) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	c := invalid.Config{Package: "provider"}
	setup := webhook.Setup{PublicURL: r.URL, Secrets: []webhook.Secret{key}}
	u := requirePublicURL(setup, &c)
	keys := rawKeys(setup, nil, crypto.SHA1, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	setMethod(r, (*twilioVerifier)(nil).Contract())
	var params form
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && readForm(&params, body) {
		params.join()
	} else if len(body) > 0 {
		sum := sha256.Sum256(body)
		pairs := slices.DeleteFunc(strings.Split(r.URL.RawQuery, "&"), func(pair string) bool {
			return pair == "" || strings.HasPrefix(pair, "bodySHA256=")
		})
		r.URL.RawQuery = strings.Join(append(pairs, "bodySHA256="+hex.EncodeToString(sum[:])), "&") // behind what is configured
	}
	st := keys[0].begin()
	defer keys[0].end(st)
	r.Header.Set("X-Twilio-Signature", string(twilioSignature(st, &u, r, &params)))
	return body, nil
}

// GenerateSecret returns a new auth token.
func (Twilio) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return HMAC{}.GenerateSecret()
}
