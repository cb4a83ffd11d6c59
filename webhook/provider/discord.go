package provider

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Discord is the scheme of Discord's interactions and webhook events.
//
// Signed is the time, directly followed by the body, with Ed25519, as hex in X-Signature-Ed25519; the time is in seconds in
// X-Signature-Timestamp. Discord now and then sends a delivery with a wrong signature, and switches the endpoint off unless it is
// answered 401.
//
// An interaction has an id, which is signed: deduplication goes by it. A webhook event has none: deduplication goes by the body, which has the
// event's own time. Type is event.type, such as "APPLICATION_AUTHORIZED", or the number of an interaction's kind. Tolerance: 5 minutes
// both ways, where Discord's libraries have none. Discord waits 3 seconds; webhook events are retried for 10 minutes.
//
// A PING is answered after it was verified, and not handed on: that of interactions (type 1) with {"type":1}, that of webhook events
// (type 0) with 204, as every webhook event. An interaction other than PING wants an answer of the application's own; a Handler answers
// 204 without one, so use Verify for interactions that are not answered later.
//
// Source: https://discord.com/developers/docs/interactions/overview and https://discord.com/developers/docs/events/webhook-events
type Discord struct {
	// Secrets are the application's public key: 64 hexadecimal digits, or PEM; newest first. At least one is required.
	Secrets []webhook.Secret
}

const (
	discordSignature = "X-Signature-Ed25519"
	discordTimestamp = "X-Signature-Timestamp"
)

// Provider returns "discord".
func (Discord) Provider() string { return "discord" }

// Prepare returns a Verifier, or every mistake in s.
func (s Discord) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &discordVerifier{
		identity: identity{
			provider: "discord", bodySigned: true, signedHeaders: []string{discordTimestamp},
			typ: Source{JSON: []string{"event.type", "type"}}, id: Source{JSON: []string{"id"}},
		},
		window: newWindow(setup, defaultTolerance),
	}
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		key, rule := parseEd25519(secret.Reveal())
		if rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		v.keys = append(v.keys, edKey{i, secret.ID(), key})
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// parseEd25519 reads a public key as hexadecimal, PEM or base64 of DER.
func parseEd25519(text string) (key ed25519.PublicKey, rule string) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == ed25519.PublicKeySize {
		return raw, ""
	}
	if !strings.Contains(text, pemBegin) && len(text) < 80 && text != "" {
		if der, err := decodeBase64(text); err != nil || len(der) < ed25519.PublicKeySize {
			return nil, "must be 64 hexadecimal digits"
		}
	}
	k, rule := parsePublicKey(text)
	if rule != "" {
		return nil, rule
	}
	key, ok := k.key.(ed25519.PublicKey)
	if !ok {
		return nil, "must be an Ed25519 key"
	}
	return key, ""
}

// discordVerifier is Discord made ready.
type discordVerifier struct {
	identity
	keys   []edKey
	window window
}

// Contract returns what Discord promises and expects.
func (*discordVerifier) Contract() webhook.Contract {
	return webhook.Contract{
		Accepted:  webhook.Reply{Status: http.StatusNoContent}, // as webhook events want it; an interaction wants an answer of its own
		Tolerance: defaultTolerance, AckTimeout: 3 * time.Second, RetryWindow: 10 * time.Minute,
	}
}

// Verify checks the signature and then the time it covers.
func (v *discordVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	text, err := only(r.Header, discordSignature)
	if err != nil {
		return webhook.Proof{}, err
	}
	timestamp, err := only(r.Header, discordTimestamp)
	if err != nil {
		return webhook.Proof{}, fmt.Errorf("%w: %s", webhook.ErrTimestamp, discordTimestamp)
	}
	sent, err := UnixSeconds.parse(timestamp)
	if err != nil {
		return webhook.Proof{}, err
	}
	if !plausible(Hex, text, ed25519.SignatureSize) {
		return webhook.Proof{}, fmt.Errorf("%w: %s is not 128 hexadecimal digits", webhook.ErrSignatureFormat, discordSignature)
	}
	signature, _ := hex.DecodeString(text) // plausible says that it can
	signed := append([]byte(timestamp), body...)
	for _, k := range v.keys {
		if !ed25519.Verify(k.key, signed, signature) {
			continue
		}
		if err := v.window.check(sent, now); err != nil {
			return webhook.Proof{}, err
		}
		return webhook.Proof{Secret: k.index, KeyID: k.id, SentAt: sent}, nil
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// Confirm answers a PING.
func (*discordVerifier) Confirm(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if raw(e.Body, "event") != nil {
		return nil, nil
	}
	switch member(e.Body, "type") {
	case "0":
		return &webhook.Reply{Status: http.StatusNoContent}, nil
	case "1":
		return &webhook.Reply{Body: []byte(`{"type":1}`), JSON: true}, nil
	}
	return nil, nil
}

// Sign signs r as Discord does. key is a private key: PKCS #8 as base64 of DER or as PEM, or the seed as 64 hexadecimal digits.
func (Discord) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	var signer ed25519.PrivateKey
	if seed, err := hex.DecodeString(key.Reveal()); err == nil && len(seed) == ed25519.SeedSize {
		signer = ed25519.NewKeyFromSeed(seed)
	} else {
		private, err := parsePrivateKey(key)
		if err != nil {
			return nil, err
		}
		var ok bool
		if signer, ok = private.(ed25519.PrivateKey); !ok {
			return nil, errors.New("provider: key must be an Ed25519 key")
		}
	}
	setMethod(r, webhook.Contract{})
	timestamp := UnixSeconds.format(now)
	r.Header.Set(discordTimestamp, timestamp)
	r.Header.Set(discordSignature, hex.EncodeToString(ed25519.Sign(signer, append([]byte(timestamp), body...))))
	return body, nil
}

// GenerateSecret returns a new key pair: the seed and the public key, in hexadecimal.
func (Discord) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return signing, verifying, fmt.Errorf("provider: %w", err)
	}
	return webhook.NewSecret(hex.EncodeToString(private.Seed())), webhook.NewSecret(hex.EncodeToString(public)), nil
}
