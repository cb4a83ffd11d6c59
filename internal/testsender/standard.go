package testsender

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
)

// standard are the providers that follow Standard Webhooks (spec/standard-webhooks.md): "{id}.{timestamp}.{body}" under the bytes that
// stand as base64 behind "whsec_".
func standard() []Provider {
	svix := func(d Delivery) Request { return d.standard("svix-", "msg_loFOjxBNrRLzqYUf") }
	webhook := func(d Delivery) Request { return d.standard("webhook-", "msg_p5jXN8AQM9LWM0D4loKWxJek") }
	of := func(id, field string, send func(Delivery) Request) Provider {
		return Provider{ID: id, Keys: whsec(), Clock: Seconds, Proof: field, Prefix: "v1,", Strong: true, Join: spaced, Send: send}
	}
	return []Provider{
		of("standardwebhooks", "Webhook-Signature", webhook), of("svix", "Svix-Signature", svix), of("clerk", "Svix-Signature", svix),
		of("resend", "Svix-Signature", svix), of("openai", "Webhook-Signature", webhook),
		// GitLab's signing token (merge requests 230944 and 231325 of gitlab-org/gitlab); its id is Idempotency-Key as well.
		of("gitlab", "Webhook-Signature", func(d Delivery) Request {
			r := d.standard("webhook-", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f")
			r.Header.Set("Idempotency-Key", r.Header.Get("Webhook-Id"))
			r.Header.Set("X-Gitlab-Event", "Push Hook")
			return r
		}),
	}
}

func spaced(one, other string) string { return one + " " + other }

// whsec are keys of 32 bytes, as OpenAI and GitLab demand at least.
func whsec() [3]Key {
	return texts("whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=", "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
}

func (d Delivery) standard(fields, id string) Request {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.Key.Sender, "whsec_"))
	if err != nil {
		return Request{}
	}
	return d.post(fields+"id", id, fields+"timestamp", d.Time, fields+"signature", "v1,"+base256(string(key), id+"."+d.Time+"."+d.Body))
}

// Asymmetric is Standard Webhooks with Ed25519: v1a, whose key is "whsk_" (64 bytes) at the sender and "whpk_" at the receiver.
func Asymmetric() Provider {
	keys := [3]Key{}
	for i := range keys {
		private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+i)), ed25519.SeedSize)))
		public, _ := private.Public().(ed25519.PublicKey) // which it is
		keys[i] = Key{"whsk_" + base64.StdEncoding.EncodeToString(private), "whpk_" + base64.StdEncoding.EncodeToString(public)}
	}
	return Provider{
		ID: "standardwebhooks", Keys: keys, Body: `{"type":"user.created"}`, Clock: Seconds, Proof: "Webhook-Signature", Prefix: "v1a,", Strong: true,
		Send: func(d Delivery) Request {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(d.Key.Sender, "whsk_"))
			if err != nil {
				return Request{}
			}
			signature := ed25519.Sign(key, []byte("msg_1."+d.Time+"."+d.Body))
			return d.post("webhook-id", "msg_1", "webhook-timestamp", d.Time, "webhook-signature", "v1a,"+base64.StdEncoding.EncodeToString(signature))
		},
	}
}
