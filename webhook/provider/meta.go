package provider

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Meta is the scheme of the webhooks of Meta's products: WhatsApp, Messenger, Instagram, Threads and Pages.
//
// Signed is the body alone, with HMAC-SHA256, as "sha256=<hex>" in X-Hub-Signature-256. Meta escapes characters beyond ASCII
// before it signs: the bytes as received are what counts. The older X-Hub-Signature (SHA-1) is not read.
//
// A delivery is a batch without an id of its own. Type is the kind of object, such as "whatsapp_business_account". Deduplication goes by
// the body; a new attempt that Meta puts together differently is a new event, so look at the ids inside. No time is signed. Meta retries
// for 36 hours, for WhatsApp up to 7 days. How long it waits for an answer it says of Messenger alone: 20 seconds.
// A delivery of WhatsApp may have 3 MB, which is more than webhook.Config.MaxBody allows by default.
//
// The handshake is GET with hub.mode=subscribe and hub.verify_token: where the token is VerifyToken, hub.challenge is answered as
// plain text; else 403.
//
// Sources: https://developers.facebook.com/docs/graph-api/webhooks/getting-started; for WhatsApp's retries
// and size https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview; for Messenger's wait
// https://developers.facebook.com/docs/messenger-platform/faq.
type Meta struct {
	// Secrets are the app's secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret

	// VerifyToken is the text entered beside the URL in the app's dashboard. While it is empty, the handshake is refused, so
	// that the URL cannot be entered anew.
	VerifyToken webhook.Secret
}

// Provider returns "meta".
func (Meta) Provider() string { return "meta" }

func (s Meta) hmac() HMAC {
	return HMAC{
		Name:      "meta",
		Secrets:   s.Secrets,
		Header:    "X-Hub-Signature-256",
		Prefix:    "sha256=",
		EventType: Source{JSON: []string{"object"}},
		Contract: webhook.Contract{
			HandshakeMethods: []string{http.MethodGet},
			RetryWindow:      7 * 24 * time.Hour,
			SecretQuery:      []string{"hub.verify_token"},
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Meta) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	if !s.VerifyToken.IsZero() {
		if rule := checkSecret(s.VerifyToken.Reveal()); rule != "" {
			c := invalid.Config{Package: "provider"}
			c.Hidden("VerifyToken", rule)
			return nil, c.Err()
		}
	}
	return &metaVerifier{v, s.VerifyToken}, nil
}

// Sign signs r as Meta does.
func (s Meta) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Meta) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// metaVerifier is Meta made ready.
type metaVerifier struct {
	*hmacVerifier
	token webhook.Secret
}

// Handshake answers GET with hub.mode=subscribe.
func (v *metaVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodGet {
		return nil, nil
	}
	query, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	switch {
	case query.Get("hub.mode") != "subscribe":
		return nil, fmt.Errorf("%w: hub.mode is not subscribe", webhook.ErrHandshake)
	case v.token.IsZero():
		return nil, fmt.Errorf("%w: no VerifyToken is configured", webhook.ErrHandshake)
	case !same(query.Get("hub.verify_token"), v.token.Reveal()):
		return nil, fmt.Errorf("%w: hub.verify_token is another", webhook.ErrHandshake)
	}
	return echo(query.Get("hub.challenge"))
}
