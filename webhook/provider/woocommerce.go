package provider

import (
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// WooCommerce is the scheme of WooCommerce's webhooks.
//
// Signed is the body alone, with HMAC-SHA256, as base64 in X-WC-Webhook-Signature.
//
// The topic (X-WC-Webhook-Topic), the shop (X-WC-Webhook-Source) and the delivery id (X-WC-Webhook-Delivery-ID) are NOT signed, and
// neither is a time. WooCommerce sends one and the same body under several topics (order.created and order.updated): deduplication
// goes by the body together with the topic as received; who replays a captured delivery under a new topic is not stopped by it.
// WooCommerce waits a minute and does not retry by itself: it gives a webhook up after more than five failures in a row.
//
// The ping that WooCommerce sends when a webhook is saved (a form with nothing but webhook_id) has no signature: it is answered, and
// does nothing.
//
// Source: woocommerce/woocommerce includes/class-wc-webhook.php.
type WooCommerce struct {
	// Secrets are the webhook's secrets, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "woocommerce".
func (WooCommerce) Provider() string { return "woocommerce" }

func (s WooCommerce) hmac() HMAC {
	return HMAC{
		Name:      "woocommerce",
		Secrets:   s.Secrets,
		Encoding:  Base64,
		Header:    "X-Wc-Webhook-Signature",
		EventType: Source{Header: "X-Wc-Webhook-Topic"},
		EventID:   Source{Header: "X-Wc-Webhook-Delivery-Id"},
		Contract:  webhook.Contract{AckTimeout: time.Minute},
		beside:    []string{"X-Wc-Webhook-Topic"},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s WooCommerce) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &wooVerifier{v}, nil
}

// Sign signs r as WooCommerce does.
func (s WooCommerce) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s WooCommerce) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// wooVerifier is WooCommerce made ready.
type wooVerifier struct{ *hmacVerifier }

// Handshake answers the ping of a webhook that is being saved.
func (v *wooVerifier) Handshake(r *http.Request, body []byte) (*webhook.Reply, error) {
	if len(body) > 40 || len(r.Header[v.Header]) > 0 {
		return nil, nil
	}
	id, ok := strings.CutPrefix(string(body), "webhook_id=")
	if !ok || id == "" || strings.Trim(id, "0123456789") != "" {
		return nil, nil
	}
	return &webhook.Reply{}, nil
}
