package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Hygraph is the scheme of Hygraph's webhooks, once GraphCMS.
//
// Signed is a JSON text made of the body as a string, the environment and the time, with HMAC-SHA256:
// {"Body":"…","EnvironmentName":"…","TimeStamp":…}, escaped as JavaScript's JSON.stringify does. The field gcms-signature is
// "sign=<base64>, env=<name>, t=<milliseconds>". A body that is not UTF-8 is refused: JavaScript would replace what it cannot
// read.
//
// There is no event id, and a webhook without payload has much the same body each time: two deliveries are the same when body
// and signed time are. Tolerance: 5 minutes both ways, where Hygraph's library has none.
//
// Source: @hygraph/utils index.js.
type Hygraph struct {
	// Secrets are the webhook's secret keys as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "hygraph".
func (Hygraph) Provider() string { return "hygraph" }

func (s Hygraph) hmac() HMAC {
	return HMAC{
		Name:            "hygraph",
		Secrets:         s.Secrets,
		Encoding:        Base64,
		Signed:          `{{"Body":{json:body},"EnvironmentName":{json:field:env},"TimeStamp":{timestamp}}}`,
		Header:          "Gcms-Signature",
		Separator:       ",",
		SignatureField:  "sign",
		TimestampField:  "t",
		TimestampFormat: UnixMillis,
		EventType:       Source{JSON: []string{"operation"}},
		Contract:        webhook.Contract{Tolerance: defaultTolerance},
		layout:          "sign={signature}, env=master, t={timestamp}",
		timeInKey:       true,
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Hygraph) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return s.hmac().Prepare(setup)
}

// Sign signs r as Hygraph does.
func (s Hygraph) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Hygraph) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}
