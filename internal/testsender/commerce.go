package testsender

import (
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// commerce are the providers of shops, payments and their messages.
func commerce() []Provider {
	return []Provider{
		// docs.stripe.com/webhooks#verify-manually: the secret is used as it is shown.
		{
			ID: "stripe", Keys: texts("whsec_2a1b", "whsec_3c4d", "whsec_5e6f"), Clock: Seconds, Proof: "Stripe-Signature", Hex: true, Strong: true, Join: pairs(","),
			Send: func(d Delivery) Request {
				return d.post("Stripe-Signature", "t="+d.Time+",v1="+hex256(d.Key.Sender, d.Time+"."+d.Body))
			},
		},
		// developer.paddle.com/webhooks/signature-verification
		{
			ID: "paddle", Keys: texts("pdl_ntfset_01a", "pdl_ntfset_01b", "pdl_ntfset_01c"), Clock: Seconds, Proof: "Paddle-Signature", Hex: true, Strong: true, Join: pairs(";"),
			Send: func(d Delivery) Request {
				return d.post("Paddle-Signature", "ts="+d.Time+";h1="+hex256(d.Key.Sender, d.Time+":"+d.Body))
			},
		},
		// shopify-api-js lib/webhooks/validate.ts
		{ID: "shopify", Keys: plain(), Proof: "X-Shopify-Hmac-Sha256", Strong: true, Send: func(d Delivery) Request {
			return d.post("X-Shopify-Hmac-SHA256", base256(d.Key.Sender, d.Body), "X-Shopify-Topic", "orders/create", "X-Shopify-Shop-Domain", "a.myshopify.com")
		}},
		// woocommerce/includes/class-wc-webhook.php
		{ID: "woocommerce", Keys: plain(), Proof: "X-Wc-Webhook-Signature", Strong: true, Send: func(d Delivery) Request {
			return d.post("X-WC-Webhook-Signature", base256(d.Key.Sender, d.Body), "X-WC-Webhook-Topic", "order.created")
		}},
		// square-nodejs-sdk: the notification URL as configured, then the body.
		{ID: "square", Keys: plain(), Proof: "X-Square-Hmacsha256-Signature", Strong: true, URL: true, Send: func(d Delivery) Request {
			return d.post("x-square-hmacsha256-signature", base256(d.Key.Sender, d.URL+d.Body))
		}},
		// twilio-go client/request_validator.go: HMAC-SHA1 of the URL and the sorted parameters.
		{
			ID: "twilio", Keys: plain(), Body: "MessageSid=SM1&From=%2B14158675310&Body=a+b%26c&Empty=", Proof: "X-Twilio-Signature", Strong: true, URL: true,
			Signed: twilioParameters, Send: func(d Delivery) Request {
				r := d.post("X-Twilio-Signature", twilioSignature(d.Key.Sender, d.URL+twilioParameters([]byte(d.Body))))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				return r
			},
		},
	}
}

// pairs joins what stands behind the time of two values.
func pairs(separator string) func(one, other string) string {
	return func(one, other string) string {
		_, signature, _ := strings.Cut(other, separator)
		return one + separator + signature
	}
}

func twilioSignature(key, text string) string {
	return base64.StdEncoding.EncodeToString(mac(sha1.New, key, text))
}

// twilioParameters joins the names and values of a form, sorted by name.
func twilioParameters(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	var names []string
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			text.WriteString(name + value)
		}
	}
	return text.String()
}

// TwilioJSON is Twilio with a body that is no form: its SHA-256 is a parameter of the URL, which is signed.
func TwilioJSON() Provider {
	return Provider{
		ID: "twilio", Keys: plain(), Body: `{"property": "value", "boolean": true}`, Proof: "X-Twilio-Signature", Strong: true, URL: true,
		Send: func(d Delivery) Request {
			sum := sha256.Sum256([]byte(d.Body))
			separator := "?"
			if strings.Contains(d.URL, "?") {
				separator = "&"
			}
			d.URL += separator + "bodySHA256=" + hex.EncodeToString(sum[:])
			return d.post("X-Twilio-Signature", twilioSignature(d.Key.Sender, d.URL))
		},
	}
}
