package oidc

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/oauth2"
)

// Identity is who a provider says that the person is. It prints provider, issuer and subject alone.
type Identity struct {
	Provider string // ID of the [Provider]
	Issuer   string // its issuer; for a provider without one, its AuthURL
	Subject  string // the person, unique at the issuer and never reassigned

	// SessionID is the provider's id of its own session ("sid"), for logout from the provider's side. Often empty.
	SessionID string

	// ACR, AMR and AuthTime say how and when the person proved who they are, where the provider tells.
	ACR      string
	AMR      []string
	AuthTime time.Time

	// Claims are those of the ID token, and UserInfo those of the userinfo endpoint where it was asked; JSON objects.
	Claims, UserInfo json.RawMessage

	// Tokens are what the provider issued.
	Tokens Tokens
}

// Decode decodes the claims into v: those of the ID token, and over them those of the userinfo endpoint.
func (i Identity) Decode(v any) error {
	for _, claims := range []json.RawMessage{i.Claims, i.UserInfo} {
		if len(claims) == 0 {
			continue
		}
		if err := json.Unmarshal(claims, v); err != nil {
			return fmt.Errorf("callback/oidc: claims: %w", err)
		}
	}
	return nil
}

// Format prints the same for every verb.
func (i Identity) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, fmt.Sprintf("%s at %s (%s)", i.Subject, i.Provider, i.Issuer))
}

// LogValue is for log/slog.
func (i Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.String("provider", i.Provider), slog.String("issuer", i.Issuer), slog.String("subject", i.Subject))
}

// Tokens are what a provider issued for one login. They print as "[redacted]" in fmt and log/slog. JSON does contain them, so that a session
// can hold them; put it nowhere else.
type Tokens struct {
	Provider string    `json:"provider,omitempty"` // ID of the [Provider]
	Subject  string    `json:"subject,omitempty"`
	Access   string    `json:"access"`
	Refresh  string    `json:"refresh,omitempty"`
	ID       string    `json:"id,omitempty"`     // the raw ID token
	Expires  time.Time `json:"expires,omitzero"` // of Access; zero where the provider does not say
}

// Format prints the same for every verb.
func (Tokens) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue is for log/slog.
func (Tokens) LogValue() slog.Value { return slog.StringValue(redacted) }

func (p *provider) tokens(subject string, t *oauth2.Token, id string) Tokens {
	return Tokens{Provider: p.ID, Subject: subject, Access: t.AccessToken, Refresh: t.RefreshToken, ID: id, Expires: t.Expiry}
}
