package provider

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// StandardWebhooks is the scheme of the Standard Webhooks specification, which many providers follow.
//
// Signed is "{webhook-id}.{webhook-timestamp}.{body}": with HMAC-SHA256 as v1, or with Ed25519 as v1a. The field webhook-signature
// has one or more of both, separated by spaces; any that matches counts, so the sender can replace its key without a gap. An id
// with a dot is refused, because it could move the border between id and time.
//
// A secret begins with "whsec_" (the prefix may be left off) and is base64 of at least 16 bytes; the specification asks for 24 to 64.
// A public key begins with "whpk_". A private key ("whsk_") is refused: it belongs to the sender.
//
// The id is signed and the same in each attempt, so deduplication goes by it. Tolerance: 5 minutes both ways. A sender waits 15 to 30
// seconds; a retry is signed anew.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type StandardWebhooks struct {
	// Secrets are shared secrets and public keys, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Prefixes of the keys of Standard Webhooks.
const (
	sharedPrefix  = "whsec_"
	publicPrefix  = "whpk_"
	privatePrefix = "whsk_"
)

// Provider returns "standardwebhooks".
func (StandardWebhooks) Provider() string { return "standardwebhooks" }

// standard returns the v1 scheme under another name, with the header fields of prefix, such as "svix".
func standard(name, prefix string, secrets []webhook.Secret) HMAC {
	return HMAC{
		Name:            name,
		Secrets:         secrets,
		SecretFormat:    Base64Secret,
		SecretPrefix:    sharedPrefix,
		MinSecret:       minShared,
		Encoding:        Base64,
		Signed:          "{id}.{timestamp}.{body}",
		Header:          prefix + "-Signature",
		Prefix:          "v1,",
		Separator:       " ",
		TimestampHeader: prefix + "-Timestamp",
		IDHeader:        prefix + "-Id",
		EventType:       Source{JSON: []string{"type"}},
		Contract: webhook.Contract{
			Tolerance:  defaultTolerance,
			AckTimeout: 15 * time.Second,
		},
		forbidInID: ".",
	}
}

func (s StandardWebhooks) hmac() HMAC {
	h := standard("standardwebhooks", "Webhook", s.Secrets)
	h.Contract.RetryWindow = 75 * time.Hour // the specification's example schedule: 5 s to 24 h apart
	return h
}

// Prepare returns a Verifier, or every mistake in s.
func (s StandardWebhooks) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &standardVerifier{}
	var shared []webhook.Secret
	var indexes []int
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		text := secret.Reveal()
		switch {
		case strings.HasPrefix(text, publicPrefix):
			key, rule := Base64Secret.decode(text, publicPrefix)
			if rule == "" && len(key) != ed25519.PublicKeySize {
				rule = "must be 32 bytes after the prefix " + publicPrefix
			}
			if rule != "" {
				c.Hidden(secretField(i), rule)
				continue
			}
			v.public = append(v.public, edKey{i, secret.ID(), key})
		case strings.HasPrefix(text, privatePrefix):
			c.Hidden(secretField(i), "must be the public key ("+publicPrefix+"): the private one is the sender's")
		default:
			if rule := checkShared(text); rule != "" {
				c.Hidden(secretField(i), rule)
				continue
			}
			shared = append(shared, secret)
			indexes = append(indexes, i)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	h := s.hmac()
	if len(shared) == 0 { // the HMAC half is still needed, to read the header; no signature can match a random key
		shared = []webhook.Secret{webhook.NewSecret(base64.StdEncoding.EncodeToString([]byte(rand.Text())))}
		indexes = nil
	}
	setup.Secrets = shared
	half, err := h.prepare(setup)
	if err != nil {
		return nil, err
	}
	for i, index := range indexes {
		half.keys[i].index = index
	}
	if indexes == nil {
		half.keys = nil
	}
	v.hmacVerifier = half
	return v, nil
}

// minShared is the least number of bytes of a shared secret.
const minShared = 16

// checkShared returns the rule that a shared secret breaks.
func checkShared(text string) (rule string) {
	key, rule := Base64Secret.decode(text, sharedPrefix)
	if rule == "" && len(key) < minShared {
		rule = fmt.Sprintf("must have at least %d bytes", minShared)
	}
	return rule
}

// edKey is an Ed25519 public key and its place among the secrets.
type edKey struct {
	index int
	id    string
	key   ed25519.PublicKey
}

// standardVerifier is StandardWebhooks made ready: the v1 half, and the keys of v1a.
type standardVerifier struct {
	*hmacVerifier
	public []edKey
}

// Verify accepts a v1 signature of any shared secret or a v1a signature of any public key.
func (v *standardVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if len(v.keys) > 0 {
		proof, err := v.hmacVerifier.Verify(r, body, now)
		if err == nil || len(v.public) == 0 || errors.Is(err, webhook.ErrTooOld) || errors.Is(err, webhook.ErrTooNew) {
			return proof, err
		}
	}
	field, err := only(r.Header, v.Header)
	if err != nil {
		return webhook.Proof{}, err
	}
	in := values{request: r, body: body}
	if err := v.read(&in, field); err != nil {
		return webhook.Proof{}, err
	}
	signed := fmt.Appendf(make([]byte, 0, len(in.id)+len(in.timestamp)+len(body)+2), "%s.%s.%s", in.id, in.timestamp, body)
	reason := fmt.Errorf("%w: no v1a signature, nor another that can be checked", webhook.ErrSignatureFormat)
	checked := 0
	for candidate := range strings.SplitSeq(field, " ") {
		text, ok := strings.CutPrefix(candidate, "v1a,")
		if !ok {
			continue
		}
		signature, err := decodeBase64(text)
		if err != nil || len(signature) != ed25519.SignatureSize {
			continue
		}
		if checked++; checked > maxSignatures { // each costs far more than it costs to send
			return webhook.Proof{}, fmt.Errorf("%w: more than %d v1a signatures", webhook.ErrSignatureFormat, maxSignatures)
		}
		reason = webhook.ErrSignature
		for _, k := range v.public {
			if ed25519.Verify(k.key, signed, signature) {
				return v.timely(webhook.Proof{Secret: k.index, KeyID: k.id}, &in, now)
			}
		}
	}
	return webhook.Proof{}, reason
}

// Sign signs with a shared secret ("whsec_") as v1, or with a private key ("whsk_") as v1a.
func (s StandardWebhooks) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	if !strings.HasPrefix(key.Reveal(), privatePrefix) {
		return s.hmac().Sign(r, body, now, key)
	}
	private, rule := Base64Secret.decode(key.Reveal(), privatePrefix)
	if rule == "" && len(private) != ed25519.PrivateKeySize {
		rule = "must be 64 bytes after the prefix " + privatePrefix
	}
	if rule != "" {
		return nil, fmt.Errorf("provider: key %s", rule)
	}
	// The v1 half sets every field; its signature, by a key nobody has, is then replaced.
	throwaway := webhook.NewSecret(base64.StdEncoding.EncodeToString([]byte(rand.Text())))
	if _, err := s.hmac().Sign(r, body, now, throwaway); err != nil {
		return nil, err
	}
	signed := fmt.Appendf(nil, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
	signature := ed25519.Sign(ed25519.PrivateKey(private), signed)
	r.Header.Set("Webhook-Signature", "v1a,"+base64.StdEncoding.EncodeToString(signature))
	return body, nil
}

// GenerateSecret returns a new shared secret.
func (s StandardWebhooks) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
