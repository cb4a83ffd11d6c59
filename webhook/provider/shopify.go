package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Shopify is the scheme of Shopify's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as base64 in X-Shopify-Hmac-SHA256.
//
// The topic (X-Shopify-Topic), the shop (X-Shopify-Shop-Domain) and the ids are NOT signed, and the secret is one for all shops
// that have the app: a delivery captured at shop A can be sent again as if it came from shop B, or under another topic. Where
// the shop matters, look for it in the body or ask Shopify's API.
//
// Shopify sends one and the same body under several topics (orders/create and orders/updated). Deduplication therefore goes by
// the body together with topic and shop as received; who replays a captured delivery under a new topic is not stopped by it.
// The id is X-Shopify-Webhook-Id, the same in each attempt. Shopify waits 5 seconds and makes eight more attempts within 4
// hours; after the app's secret was replaced it may go on signing with the oldest that is not revoked.
//
// Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https and @shopify/shopify-api lib/webhooks/validate.ts.
type Shopify struct {
	// Secrets are client secrets of the app, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "shopify".
func (Shopify) Provider() string { return "shopify" }

func (s Shopify) hmac() HMAC {
	return HMAC{
		Name:      "shopify",
		Secrets:   s.Secrets,
		Encoding:  Base64,
		Header:    "X-Shopify-Hmac-Sha256",
		EventType: Source{Header: "X-Shopify-Topic"},
		EventID:   Source{Header: "X-Shopify-Webhook-Id"},
		Contract: webhook.Contract{
			AckTimeout:  5 * time.Second,
			RetryWindow: 4 * time.Hour,
		},
		beside: []string{"X-Shopify-Topic", "X-Shopify-Shop-Domain"},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Shopify) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Shopify does.
func (s Shopify) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Shopify) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
