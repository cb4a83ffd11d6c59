package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// X is the scheme of X's Account Activity webhooks, once Twitter's.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<base64>" in x-twitter-webhooks-signature.
//
// There is no event id and no signed time: deduplication goes by the body, in which each event has its own. X waits 10 seconds.
//
// The handshake (CRC), made when the URL is entered and about every hour, is GET with a parameter crc_token; the answer has its HMAC, in
// the same form as a delivery's signature. Anyone may ask, so a token with other characters than X's is refused: else one could
// have the body of a forged delivery signed.
//
// Source: https://docs.x.com/x-api/webhooks/introduction
type X struct {
	// Secrets are the app's API secrets (consumer secrets), as text, newest first; the newest answers the handshake. At least one is
	// required.
	Secrets []webhook.Secret
}

// Provider returns "x".
func (X) Provider() string { return "x" }

func (s X) hmac() HMAC {
	return HMAC{
		Name:     "x",
		Secrets:  s.Secrets,
		Encoding: Base64,
		Header:   "X-Twitter-Webhooks-Signature",
		Prefix:   "sha256=",
		Contract: webhook.Contract{
			HandshakeMethods: []string{http.MethodGet},
			AckTimeout:       10 * time.Second,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s X) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &xVerifier{v}, nil
}

// Sign signs r as X does.
func (s X) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s X) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// xVerifier is X made ready.
type xVerifier struct{ *hmacVerifier }

// Verify also refuses a body that is no JSON object: the answer to a handshake could have signed it.
func (v *xVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if len(body) == 0 || body[0] != '{' {
		return webhook.Proof{}, fmt.Errorf("%w: not a JSON object", webhook.ErrPayload)
	}
	return v.hmacVerifier.Verify(r, body, now)
}

// Handshake answers GET with a crc_token.
func (v *xVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodGet {
		return nil, nil
	}
	query, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	token := query.Get("crc_token")
	if !plainToken(token, maxChallenge) {
		return nil, fmt.Errorf("%w: crc_token is absent, too long, or has other characters than X's", webhook.ErrHandshake)
	}
	body, err := json.Marshal(map[string]string{"response_token": "sha256=" + v.keys[0].mac(Base64, token)})
	return &webhook.Reply{Body: body, JSON: true}, err
}
