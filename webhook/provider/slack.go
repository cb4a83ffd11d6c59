package provider

import (
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Slack is the scheme of Slack's Events API, slash commands and interactive messages.
//
// Signed is "v0:{timestamp}:{body}" with HMAC-SHA256, as "v0=<hex>" in X-Slack-Signature; the time is in seconds in
// X-Slack-Request-Timestamp. Commands and interactive messages are forms, signed as they are sent.
//
// An event's id (event_id) is in the body, so it is signed, and it is the same in each attempt: deduplication goes by it. A command
// has none; its body has a trigger_id of its own, so the body does as well. The fields X-Slack-Retry-Num and X-Slack-Retry-Reason are not
// signed. Tolerance: 5 minutes both ways. Slack waits 3 seconds and makes three more attempts: at once, after a minute and after five.
//
// The challenge that Slack sends when the URL is entered (url_verification) is signed like an event: it is answered after it
// was verified, as plain text, and not handed on.
//
// Source: https://docs.slack.dev/authentication/verifying-requests-from-slack/ and https://docs.slack.dev/apis/events-api/
type Slack struct {
	// Secrets are the app's signing secrets: 32 hexadecimal characters, used as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "slack".
func (Slack) Provider() string { return "slack" }

func (s Slack) hmac() HMAC {
	return HMAC{
		Name:            "slack",
		Secrets:         s.Secrets,
		Signed:          "v0:{timestamp}:{body}",
		Header:          "X-Slack-Signature",
		Prefix:          "v0=",
		TimestampHeader: "X-Slack-Request-Timestamp",
		EventType:       Source{JSON: []string{"event.type", "type"}, Form: []string{"command"}},
		EventID:         Source{JSON: []string{"event_id"}},
		Contract: webhook.Contract{
			Tolerance:   5 * time.Minute,
			AckTimeout:  3 * time.Second,
			RetryWindow: time.Hour,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s Slack) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	v, err := s.hmac().prepare(setup)
	if err != nil {
		return nil, err
	}
	return &slackVerifier{v}, nil
}

// Sign signs r as Slack does.
func (s Slack) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac().Sign(r, body, now, key)
}

// GenerateSecret returns a new secret.
func (s Slack) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac().GenerateSecret()
}

// slackVerifier is Slack made ready.
type slackVerifier struct{ *hmacVerifier }

// Confirm answers url_verification.
func (*slackVerifier) Confirm(_ *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if member(e.Body, "type") != "url_verification" {
		return nil, nil
	}
	return echo(member(e.Body, "challenge"))
}
