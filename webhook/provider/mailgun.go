package provider

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
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
// 406 stops it.
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

// mailgunSignature is what proves a delivery.
type mailgunSignature struct {
	Timestamp stringOrNumber `json:"timestamp"`
	Token     string         `json:"token"`
	Signature string         `json:"signature"`
	Parent    string         `json:"parent-signature"`
}

// mailgunVerifier is Mailgun made ready.
type mailgunVerifier struct {
	keys   []*keyed
	window window
}

// Contract returns what Mailgun promises and expects.
func (*mailgunVerifier) Contract() webhook.Contract {
	return webhook.Contract{Tolerance: defaultTolerance, RetryWindow: 8 * time.Hour}
}

// Verify checks the signature and then the time it covers.
func (v *mailgunVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	s, _, err := mailgunOf(r.Header, body)
	if err != nil {
		return webhook.Proof{}, err
	}
	if s.Signature == "" && s.Parent == "" || s.Token == "" {
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	sent, err := UnixSeconds.parse(string(s.Timestamp))
	if err != nil {
		return webhook.Proof{}, err
	}
	if strings.Trim(s.Token, alphanumeric) != "" {
		return webhook.Proof{}, fmt.Errorf("%w: the token has other characters than letters and digits", webhook.ErrSignatureFormat)
	}
	if !Hex.plausible(s.Signature, crypto.SHA256.Size()) && !Hex.plausible(s.Parent, crypto.SHA256.Size()) {
		return webhook.Proof{}, fmt.Errorf("%w: not 64 hexadecimal digits", webhook.ErrSignatureFormat)
	}
	for _, key := range v.keys {
		mac := key.mac(Hex, string(s.Timestamp)+s.Token)
		if !same(mac, s.Signature) && !same(mac, s.Parent) {
			continue
		}
		if err := v.window.check(sent, now); err != nil {
			return webhook.Proof{}, err
		}
		return webhook.Proof{Secret: key.index, KeyID: key.id, SentAt: sent}, nil
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// mailgunOf reads the signature and the event's name from a JSON or form body.
func mailgunOf(h http.Header, body []byte) (s mailgunSignature, event string, err error) {
	if mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && mediaType == "multipart/form-data" {
		return mailgunMultipart(multipart.NewReader(bytes.NewReader(body), params["boundary"]))
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		var payload struct {
			Signature mailgunSignature `json:"signature"`
		}
		err = decodeStrict(body, &payload)
		return payload.Signature, member(body, "event-data.event"), err
	}
	form, err := parseForm(body)
	if err != nil {
		return s, "", fmt.Errorf("%w: neither JSON nor a form", webhook.ErrPayload)
	}
	return mailgunForm(form)
}

// maxParts is how many parts of a multipart form are looked at.
const maxParts = 1000

// mailgunMultipart reads the same from the fields of a multipart form. Files are passed over: nothing is kept of a body that is not
// verified yet.
func mailgunMultipart(parts *multipart.Reader) (s mailgunSignature, event string, err error) {
	form := map[string][]string{}
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return mailgunForm(form)
		}
		if err != nil {
			return s, "", fmt.Errorf("%w: not a multipart form", webhook.ErrPayload)
		}
		if part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxText))
		if err != nil {
			return s, "", fmt.Errorf("%w: not a multipart form", webhook.ErrPayload)
		}
		form[part.FormName()] = append(form[part.FormName()], string(value))
	}
	return s, "", fmt.Errorf("%w: more than %d parts", webhook.ErrPayload, maxParts)
}

// mailgunForm reads the same from the fields of a form, each given at most once.
func mailgunForm(form map[string][]string) (s mailgunSignature, event string, err error) {
	get := func(name string) string {
		switch values := form[name]; len(values) {
		case 0:
			return ""
		case 1:
			return values[0]
		default:
			err = fmt.Errorf("%w: the field %s is given twice", webhook.ErrSignatureFormat, name)
			return ""
		}
	}
	s = mailgunSignature{stringOrNumber(get("timestamp")), get("token"), get("signature"), get("parent-signature")}
	event = get("event")
	return s, event, err
}

// Describe fills in what e says of itself.
func (*mailgunVerifier) Describe(_ *http.Request, e *webhook.Event) {
	s, event, err := mailgunOf(e.Header, e.Body)
	if err != nil {
		return
	}
	e.Type = event
	e.ID, e.IDSigned = s.Token, true
	e.Key = webhook.NewKey("mailgun", []byte("token"), []byte(s.Token))
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
