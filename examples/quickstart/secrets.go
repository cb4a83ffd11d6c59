package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// secrets are this run's: from the environment, or made anew.
type secrets struct {
	token, github, stripe, standard, apiKey string

	stored  security.APIKey // what a server keeps of the API key
	cookies []byte
}

func newSecrets() (secrets, error) {
	s := secrets{
		token:   fromEnv("REVALIDATE_SECRET_TOKEN", rand.Text()),
		github:  fromEnv("GITHUB_WEBHOOK_SECRET", rand.Text()),
		stripe:  fromEnv("STRIPE_WEBHOOK_SECRET", "whsec_"+rand.Text()),
		cookies: make([]byte, 32),
	}
	_, standard, err := provider.StandardWebhooks{}.GenerateSecret()
	if err != nil {
		return s, err
	}
	s.standard = fromEnv("STANDARD_WEBHOOK_SECRET", standard.Reveal())
	_, _ = rand.Read(s.cookies) // never fails
	if key := os.Getenv("COOKIE_KEY"); key != "" {
		if s.cookies, err = base64.StdEncoding.DecodeString(key); err != nil {
			return s, fmt.Errorf("COOKIE_KEY: %w", err)
		}
	}
	if stored := os.Getenv("API_KEY_STORED"); stored != "" {
		s.apiKey = os.Getenv("API_KEY")
		return s, json.Unmarshal([]byte(stored), &s.stored)
	}
	s.apiKey, s.stored, err = security.NewAPIKey("demo", "curl", "read")
	return s, err
}

func fromEnv(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// schemes say how each provider signs, by the last part of its path below /hooks/.
func (s secrets) schemes() map[string]webhook.Signer {
	list := func(v string) []webhook.Secret { return []webhook.Secret{webhook.NewSecret(v)} }
	return map[string]webhook.Signer{
		"github":   provider.GitHub{Secrets: list(s.github)},
		"stripe":   provider.Stripe{Secrets: list(s.stripe)},
		"standard": provider.StandardWebhooks{Secrets: list(s.standard)},
	}
}

// secretOf returns the secret of a scheme by the same name.
func (s secrets) secretOf(name string) webhook.Secret {
	return webhook.NewSecret(map[string]string{"github": s.github, "stripe": s.stripe, "standard": s.standard}[name])
}
