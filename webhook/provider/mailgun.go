package provider

import (
	"bytes"
	"crypto"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Mailgun is the scheme of Mailgun's webhooks.
//
// Signed are only a time and a token, with HMAC-SHA256; both and the signature, as hex, are in the body: in the member signature, or
// in a form's fields timestamp, token and signature. THE EVENT ITSELF IS NOT SIGNED: whoever has captured one delivery can put
// any event under its signature while the time is fresh. The token must therefore count once: deduplication goes by it, so do not
// switch it off. For what matters, ask Mailgun's API.
//
// For an event of a subaccount, parent-signature is the same under the primary account's key; either may match.
//
// ID is the token. Type is event-data.event, or a form's field event. Tolerance: 5 minutes both ways; Mailgun names none, and does
// not say whether an attempt made again is signed anew, so widen it should such attempts be refused. Mailgun retries for 8 hours; an answer of
// 406 stops it. A multipart form must be written as libraries write it: with CR and LF, and nothing around its parts.
//
// Source: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks and mailgun-go webhooks.go. The
// page's sample has no key, so it cannot be verified.
type Mailgun struct {
	// Secrets are the HTTP webhook signing keys, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "mailgun".
func (Mailgun) Provider() string { return "mailgun" }

// Prepare returns a Verifier, or every mistake in s.
func (s Mailgun) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &mailgunVerifier{keys: rawKeys(setup, s.Secrets, crypto.SHA256, &c), window: newWindow(setup, defaultTolerance)}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// mailgunSignature is what proves a delivery, and its event where a form says it.
type mailgunSignature struct{ timestamp, token, signature, parent, event []byte }

// mailgunVerifier is Mailgun made ready.
type mailgunVerifier struct {
	keys   []*keyed
	window window
	rooms  room[mailgunRoom]
}

// mailgunRoom is what a delivery is read into.
type mailgunRoom struct {
	form form
	json strictReader
}

// Contract returns what Mailgun promises and expects.
func (*mailgunVerifier) Contract() webhook.Contract {
	return webhook.Contract{Tolerance: defaultTolerance, RetryWindow: 8 * time.Hour}
}

// Verify checks the signature and then the time it covers.
func (v *mailgunVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	read := v.rooms.begin()
	defer v.rooms.end(read)
	defer read.forget()
	s, err := mailgunOf(read, r.Header, body)
	if err != nil {
		return webhook.Proof{}, err
	}
	if len(s.signature) == 0 && len(s.parent) == 0 || len(s.token) == 0 {
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	sent, err := parseUnix(UnixSeconds, s.timestamp)
	if err != nil {
		return webhook.Proof{}, err
	}
	if len(bytes.Trim(s.token, alphanumeric)) > 0 || len(s.token) > maxText {
		return webhook.Proof{}, fmt.Errorf("%w: the token is too long, or has other characters than letters and digits", webhook.ErrSignatureFormat)
	}
	if !plausible(Hex, s.signature, crypto.SHA256.Size()) && !plausible(Hex, s.parent, crypto.SHA256.Size()) {
		return webhook.Proof{}, fmt.Errorf("%w: not 64 hexadecimal digits", webhook.ErrSignatureFormat)
	}
	for _, key := range v.keys {
		if !s.isOf(key) {
			continue
		}
		if err := v.window.check(sent, now); err != nil {
			return webhook.Proof{}, err
		}
		return webhook.Proof{Secret: key.index, KeyID: key.id, SentAt: sent}, nil
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// isOf reports whether key made one of the signatures.
func (s *mailgunSignature) isOf(key *keyed) bool {
	st := key.begin()
	defer key.end(st)
	st.buf = append(append(st.buf, s.timestamp...), s.token...)
	mac := st.encoded(Hex)
	return same(mac, s.signature) || same(mac, s.parent)
}

// forget lets go of the delivery.
func (m *mailgunRoom) forget() {
	m.form.Forget()
	m.json.forget()
}

// mailgunOf reads the signature from a JSON or form body. Its texts are those of m and body.
func mailgunOf(m *mailgunRoom, h http.Header, body []byte) (s mailgunSignature, err error) {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	switch {
	case strings.EqualFold(strings.TrimSpace(mediaType), "multipart/form-data"):
		err = readMultipart(&m.form, h.Get("Content-Type"), body)
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return mailgunJSON(&m.json, body)
	case !readForm(&m.form, body):
		err = fmt.Errorf("%w: neither JSON nor a form", webhook.ErrPayload)
	}
	if err != nil {
		return s, err
	}
	return mailgunForm(&m.form)
}

// mailgunJSON reads the signature from a JSON body.
func mailgunJSON(read *strictReader, body []byte) (s mailgunSignature, err error) {
	object, err := read.object(body)
	if err != nil {
		return s, err
	}
	ok := true
	for name, value := range read.pairs(object) {
		if string(name) == "signature" {
			ok = isObject(value)
			for name, value := range read.pairs(value) {
				ok = ok && s.set(string(name), read.unquoted(value), value)
			}
		}
	}
	if !ok {
		return s, fmt.Errorf("%w: not the signature that Mailgun sends", webhook.ErrPayload)
	}
	return s, nil
}

// set takes the text of a member of signature. It reports whether the member may have such a raw value.
func (s *mailgunSignature) set(name string, text, raw []byte) bool {
	switch name {
	case "timestamp":
		s.timestamp = text
		return isScalar(raw)
	case "token":
		s.token = text
	case "signature":
		s.signature = text
	case "parent-signature":
		s.parent = text
	default:
		return true
	}
	return isString(raw)
}

// mailgunForm reads the signature from the fields of a form, each given at most once.
func mailgunForm(f *form) (s mailgunSignature, err error) {
	get := func(name string) []byte {
		value, n := f.Get(name)
		if n > 1 {
			err = fmt.Errorf("%w: the field %s is given twice", webhook.ErrSignatureFormat, name)
		}
		return value
	}
	s = mailgunSignature{get("timestamp"), get("token"), get("signature"), get("parent-signature"), get("event")}
	return s, err
}

// Describe fills in what e says of itself.
func (*mailgunVerifier) Describe(_ *http.Request, e *webhook.Event) {
	s, err := mailgunOf(&mailgunRoom{}, e.Header, e.Body)
	if err != nil {
		return
	}
	e.Type = string(s.event)
	if e.Type == "" {
		e.Type = member(e.Body, "event-data.event")
	}
	e.ID, e.IDSigned = string(s.token), true
	e.Key = webhook.NewKey("mailgun", []byte("token"), s.token)
}

// Sign puts a signature with a new token into body, which is a JSON object.
func (Mailgun) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	c := invalid.Config{Package: "provider"}
	keys := rawKeys(webhook.Setup{Secrets: []webhook.Secret{key}}, nil, crypto.SHA256, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	setMethod(r, webhook.Contract{})
	r.Header.Set("Content-Type", "application/json")
	token, _, _ := Token{}.GenerateSecret()
	timestamp := UnixSeconds.format(now)
	return edit(body, func(object map[string]any) {
		object["signature"] = map[string]any{
			"timestamp": timestamp,
			"token":     token.Reveal(),
			"signature": keys[0].mac(Hex, timestamp+token.Reveal()),
		}
	})
}

// GenerateSecret returns a new signing key.
func (Mailgun) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return HMAC{}.GenerateSecret()
}
