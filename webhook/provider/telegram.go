package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Telegram is the scheme of the Telegram Bot API.
//
// A delivery shows a token in X-Telegram-Bot-Api-Secret-Token; nothing is signed (see [Token] for what that means).
//
// ID is the member update_id, the same in each attempt: deduplication goes by it. Type is the kind of update, such as "message": the
// member that stands beside update_id. Telegram does not say how long it waits or retries; it keeps updates for 24 hours.
//
// Source: https://core.telegram.org/bots/api#setwebhook
type Telegram struct {
	// Secrets are the secret tokens given to setWebhook: 1 to 256 letters, digits, "_" and "-", newest first. At least one is required.
	Secrets []webhook.Secret
}

const telegramHeader = "X-Telegram-Bot-Api-Secret-Token"

// Provider returns "telegram".
func (Telegram) Provider() string { return "telegram" }

// Prepare returns a Verifier, or every mistake in s.
func (s Telegram) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &telegramVerifier{tokenVerifier{
		identity: identity{provider: "telegram", id: Source{JSON: []string{"update_id"}}, bearer: true},
		contract: webhook.Contract{RetryWindow: 24 * time.Hour, SecretHeaders: []string{telegramHeader}},
		tokens:   tokensOf(setup, s.Secrets, &c),
		places:   []place{headerToken(telegramHeader)},
	}}
	for _, t := range v.tokens {
		if !telegramToken(t.secret.Reveal()) {
			c.Hidden(secretField(t.index), `must be 1 to 256 letters, digits, "_" and "-"`)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// telegramToken reports whether text is a token that Telegram takes.
func telegramToken(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return len(text) <= 256
}

// telegramVerifier is Telegram made ready.
type telegramVerifier struct{ tokenVerifier }

// Describe fills in what e says of itself.
func (v *telegramVerifier) Describe(r *http.Request, e *webhook.Event) {
	v.tokenVerifier.Describe(r, e)
	c := cursor{text: e.Body}
	for name := range c.names() {
		if name != "update_id" {
			e.Type = name
			return
		}
	}
}

// Sign shows the token as Telegram does.
func (Telegram) Sign(r *http.Request, body []byte, _ time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, webhook.Contract{})
	r.Header.Set(telegramHeader, key.Reveal())
	return body, nil
}

// GenerateSecret returns a new token.
func (Telegram) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return Token{}.GenerateSecret()
}
