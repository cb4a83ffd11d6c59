package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// HubSpot is the scheme of HubSpot's webhooks.
//
// Signed, in version 3, is "{method}{uri}{body}{timestamp}" with HMAC-SHA256, as base64 in X-HubSpot-Signature-v3; the time is in milliseconds
// in X-HubSpot-Request-Timestamp. The URI is the endpoint's public URL, which is therefore required, with the query as received, which must
// begin with that of the public URL; twelve percent-encoded characters in it are signed decoded. Host and X-Forwarded-* are never read.
//
// Versions 1 and 2 (X-HubSpot-Signature, with X-HubSpot-Signature-Version) are plain SHA-256 of the secret and what is signed, without a time: a
// captured delivery stays valid for ever, and with version 1 whoever has one can add to its body (length extension). They count only with
// InsecureLegacy, and only where no version 3 signature is given.
//
// A delivery is a batch. An event's id (eventId) is not unique by itself, and a new attempt has another attemptNumber, so that the
// body changes: deduplication goes by the events' eventId, subscriptionId, portalId, objectId and occurredAt. Type is set where all
// events have the same, ID where there is one. Tolerance: 5 minutes both ways. HubSpot waits 5 seconds and makes ten more attempts within 24
// hours.
//
// Source: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
type HubSpot struct {
	// Secrets are the app's client secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret

	// InsecureLegacy accepts signatures of versions 1 and 2 as well. HubSpot still sends version 1 to legacy apps, beside version 3.
	InsecureLegacy bool
}

// Provider returns "hubspot".
func (HubSpot) Provider() string { return "hubspot" }

func (s HubSpot) hmac() HMAC {
	return HMAC{
		Name:            "hubspot",
		Secrets:         s.Secrets,
		Encoding:        Base64,
		Signed:          "{method}{target}{body}{timestamp}",
		Header:          "X-Hubspot-Signature-V3",
		TimestampHeader: "X-Hubspot-Request-Timestamp",
		TimestampFormat: UnixMillis,
		EventType:       Source{JSON: []string{"[].subscriptionType"}},
		EventID:         Source{JSON: []string{"[].eventId"}},
		Contract: webhook.Contract{
			Methods:     []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete},
			Tolerance:   5 * time.Minute,
			AckTimeout:  5 * time.Second,
			RetryWindow: 24 * time.Hour,
		},
		decodeTarget: decodeHubSpot,
		batch:        []string{"[].eventId", "[].subscriptionId", "[].portalId", "[].objectId", "[].occurredAt"},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s HubSpot) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil || !s.InsecureLegacy {
		return orNil(v, err)
	}
	legacy := &hubspotVerifier{hmacVerifier: v}
	secrets := s.Secrets
	if setup.Secrets != nil {
		secrets = setup.Secrets
	}
	for i, secret := range secrets {
		legacy.tokens = append(legacy.tokens, token{i, secret})
	}
	return legacy, nil
}

// Sign signs r as HubSpot does, in version 3.
func (s HubSpot) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s HubSpot) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// decodeHubSpot decodes, in place, the percent-encoded characters that HubSpot signs decoded.
func decodeHubSpot(url []byte) []byte {
	out := url[:0]
	for i := 0; i < len(url); i++ {
		if url[i] == '%' && i+2 < len(url) {
			if c := unhex(url[i+1])<<4 | unhex(url[i+2]); decodedByHubSpot(c) {
				out = append(out, c)
				i += 2
				continue
			}
		}
		out = append(out, url[i])
	}
	return out
}

// decodedByHubSpot reports whether c is in the table of HubSpot's document.
func decodedByHubSpot(c byte) bool {
	switch c {
	case ':', '/', '?', '@', '!', '$', '\'', '(', ')', '*', ',', ';':
		return true
	}
	return false
}

// unhex returns the value of a hexadecimal digit, and for another byte one that makes no character.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// hubspotVerifier accepts versions 1 and 2 beside version 3.
type hubspotVerifier struct {
	*hmacVerifier
	tokens []token
}

// Verify checks version 3 where it is given, and else the version that the delivery names.
func (v *hubspotVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if len(r.Header[v.Header]) > 0 {
		return v.hmacVerifier.Verify(r, body, now)
	}
	signature, err := only(r.Header, "X-Hubspot-Signature")
	if err != nil {
		return webhook.Proof{}, err
	}
	version, err := only(r.Header, "X-Hubspot-Signature-Version")
	if err != nil {
		return webhook.Proof{}, err
	}
	var before []byte
	switch version {
	case "v1":
		// A version 2 delivery would pass as one of version 1 whose body begins with method and URL.
		if len(body) > 0 && body[0] != '[' && body[0] != '{' {
			return webhook.Proof{}, fmt.Errorf("%w: neither a JSON array nor an object", webhook.ErrPayload)
		}
	case "v2":
		if !v.url.fits(r) {
			return webhook.Proof{}, errQuery
		}
		before = v.url.appendTarget([]byte(r.Method), r)
	default:
		return webhook.Proof{}, fmt.Errorf("%w: version %.20q", webhook.ErrSignatureFormat, version)
	}
	if !plausible(Hex, signature, sha256.Size) {
		return webhook.Proof{}, webhook.ErrSignatureFormat
	}
	for _, t := range v.tokens {
		h := sha256.New()
		h.Write([]byte(t.secret.Reveal()))
		h.Write(before)
		h.Write(body)
		if same(signature, hex.EncodeToString(h.Sum(nil))) {
			return webhook.Proof{Secret: t.index, KeyID: t.secret.ID()}, nil
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}
