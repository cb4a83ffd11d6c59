package provider

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// DatoCMS is the scheme of DatoCMS's webhooks.
//
// A delivery shows user name and password (HTTP Basic, RFC 7617), or a token in a header field that the webhook's settings name; nothing
// is signed (see [Token] for what that means).
//
// ID is the member webhook_call_id, the same in each attempt, while the body counts them (attempted_auto_retries_count): deduplication goes
// by it. A custom payload may lack it: then it goes by the body where that has event_triggered_at, and else each delivery is an event of its
// own. Type is "<entity>.<event>", such as "item.publish". DatoCMS does not say how long it waits; it tries again only where the
// webhook's settings say so.
//
// Source: https://www.datocms.com/docs/content-management-api/resources/webhook and, beside it, webhook-call.
type DatoCMS struct {
	// Secrets are "user:password" for HTTP Basic, or the whole value of Header, newest first. At least one is required.
	Secrets []webhook.Secret

	// Header is the field that carries a token. Zero means Authorization.
	Header string

	anyHeader bool // see Inspect
}

// Provider returns "datocms".
func (DatoCMS) Provider() string { return "datocms" }

// Prepare returns a Verifier, or every mistake in s.
func (s DatoCMS) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return tokenField{
		id: "datocms", header: s.Header, anyHeader: s.anyHeader, schemes: []string{"Basic", "Bearer"},
		typ: Source{JSON: []string{"entity_type+event_type"}}, event: Source{JSON: []string{"webhook_call_id"}}, dated: "event_triggered_at",
	}.prepare(setup, s.Secrets)
}

// schemed returns text as credentials of each scheme, in the form in which they stand in Authorization.
func schemed(schemes []string, text string) []string {
	var list []string
	for _, scheme := range schemes {
		if scheme == "Basic" {
			list = append(list, "Basic "+base64.StdEncoding.EncodeToString([]byte(text)))
		} else {
			list = append(list, scheme+" "+text)
		}
	}
	return list
}

// Sign shows user name and password, or the token, as DatoCMS does.
func (s DatoCMS) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	f := tokenField{header: s.Header}
	if f.field() == "Authorization" {
		key = webhook.NewSecret(schemed([]string{"Basic"}, key.Reveal())[0])
	}
	return f.sign(r, body, key)
}

// GenerateSecret returns a new user name and password.
func (DatoCMS) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	secret, _, err := Token{}.GenerateSecret()
	secret = webhook.NewSecret("datocms:" + secret.Reveal())
	return secret, secret, err
}
