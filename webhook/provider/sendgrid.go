package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// SendGrid is the scheme of Twilio SendGrid's signed event webhook.
//
// Signed is the time, directly followed by the body, with ECDSA on P-256 and SHA-256, as base64 of ASN.1 in
// X-Twilio-Email-Event-Webhook-Signature; the time is in seconds in X-Twilio-Email-Event-Webhook-Timestamp. The body ends with CR and LF,
// which are signed.
//
// A delivery is a batch; each event has an id (sg_event_id) that is signed. Deduplication goes by the ids. It never goes by the signature:
// an ECDSA signature has a second form that anyone can make. Type is set where all events have the same, ID where there is one. Tolerance:
// 5 minutes both ways, where SendGrid's library has none; SendGrid does not say whether an attempt made again is signed anew, so widen it
// should such attempts be refused. SendGrid retries for 24 hours.
//
// Source: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features and
// sendgrid-go helpers/eventwebhook.
type SendGrid struct {
	// Secrets are the verification keys: public keys as base64 of DER, as the console shows them, or as PEM. Newest first; at
	// least one is required.
	Secrets []webhook.Secret
}

const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// Provider returns "sendgrid".
func (SendGrid) Provider() string { return "sendgrid" }

// Prepare returns a Verifier, or every mistake in s.
func (s SendGrid) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &sendgridVerifier{
		identity: identity{
			provider: "sendgrid", bodySigned: true, signedHeaders: []string{sendgridTimestamp},
			typ: Source{JSON: []string{"[].event"}}, id: Source{JSON: []string{"[].sg_event_id"}},
		},
		window: newWindow(setup, defaultTolerance),
	}
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		k, rule := parsePublicKey(secret.Reveal())
		key, ok := k.key.(*ecdsa.PublicKey)
		if rule == "" && (!ok || key.Curve != elliptic.P256()) {
			rule = "must be an ECDSA key on P-256"
		}
		if rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		k.index, k.id = i, secret.ID()
		v.keys = append(v.keys, ecKey{k, key})
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// ecKey is an ECDSA public key and its place among the secrets.
type ecKey struct {
	publicKey
	public *ecdsa.PublicKey
}

// sendgridVerifier is SendGrid made ready.
type sendgridVerifier struct {
	identity
	keys   []ecKey
	window window
}

// Contract returns what SendGrid promises and expects.
func (*sendgridVerifier) Contract() webhook.Contract {
	return webhook.Contract{Tolerance: defaultTolerance, RetryWindow: 24 * time.Hour}
}

// Verify checks the signature and then the time it covers.
func (v *sendgridVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	text, err := only(r.Header, sendgridSignature)
	if err != nil {
		return webhook.Proof{}, err
	}
	timestamp, err := only(r.Header, sendgridTimestamp)
	if err != nil {
		return webhook.Proof{}, fmt.Errorf("%w: %s", webhook.ErrTimestamp, sendgridTimestamp)
	}
	sent, err := UnixSeconds.parse(timestamp)
	if err != nil {
		return webhook.Proof{}, err
	}
	signature, err := decodeBase64(text)
	if err != nil {
		return webhook.Proof{}, fmt.Errorf("%w: %s is not base64", webhook.ErrSignatureFormat, sendgridSignature)
	}
	digest := sendgridDigest(timestamp, body)
	for _, k := range v.keys {
		if !k.validAt(now) || !ecdsa.VerifyASN1(k.public, digest, signature) {
			continue
		}
		if err := v.window.check(sent, now); err != nil {
			return webhook.Proof{}, err
		}
		return webhook.Proof{Secret: k.index, KeyID: k.id, SentAt: sent}, nil
	}
	return webhook.Proof{}, webhook.ErrSignature
}

func sendgridDigest(timestamp string, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(timestamp))
	h.Write(body)
	return h.Sum(nil)
}

// Sign signs r as SendGrid does. key is a private key: PKCS #8 as base64 of DER, or as PEM.
func (SendGrid) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("provider: key must be an ECDSA key")
	}
	setMethod(r, webhook.Contract{})
	timestamp := UnixSeconds.format(now)
	signature, err := ecdsa.SignASN1(rand.Reader, signer, sendgridDigest(timestamp, body))
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	r.Header.Set(sendgridTimestamp, timestamp)
	r.Header.Set(sendgridSignature, base64.StdEncoding.EncodeToString(signature))
	return body, nil
}

// GenerateSecret returns a new key pair.
func (SendGrid) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signing, verifying, fmt.Errorf("provider: %w", err)
	}
	private, public, err := derPair(key)
	if err != nil {
		return signing, verifying, err
	}
	encode := base64.StdEncoding.EncodeToString
	return webhook.NewSecret(encode(private)), webhook.NewSecret(encode(public)), nil
}
