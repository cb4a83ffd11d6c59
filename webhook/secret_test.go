package webhook_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestSecretShowsItselfNowhere(t *testing.T) {
	const canary = "hunter2-canary"
	secret := webhook.NewSecret(canary).Named("2026-03")
	type holder struct{ s webhook.Secret } // unexported: fmt cannot call methods on it

	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "holder", holder{secret}, "list", []webhook.Secret{secret})
	encoded, err := json.Marshal(map[string]any{"a": secret, "b": []webhook.Secret{secret}, "c": &secret})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(encoded), secret.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		shown = append(shown, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, holder{secret}),
			fmt.Sprintf(verb, []webhook.Secret{secret}), fmt.Sprintf(verb, map[string]webhook.Secret{"k": secret}))
	}
	for _, s := range shown {
		if strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) || strings.Contains(s, fmt.Sprintf("%X", canary)) {
			t.Errorf("secret shows in %q", s)
		}
	}
	if string(encoded) != `{"a":"[redacted]","b":["[redacted]"],"c":"[redacted]"}` {
		t.Errorf("JSON = %s", encoded)
	}
	if secret.Reveal() != canary || secret.ID() != "2026-03" {
		t.Error("the secret lost its value or name")
	}
}

func TestSecretFromConfiguration(t *testing.T) {
	var c struct{ Secret webhook.Secret }
	if !c.Secret.IsZero() || c.Secret.Reveal() != "" {
		t.Error("the zero Secret is not empty")
	}
	if err := json.Unmarshal([]byte(`{"Secret":"from file"}`), &c); err != nil {
		t.Fatal(err)
	}
	if c.Secret.IsZero() || c.Secret.Reveal() != "from file" {
		t.Errorf("Secret = %q, want it read from JSON", c.Secret.Reveal())
	}
	if !webhook.NewSecret("").IsZero() {
		t.Error("an empty secret must be zero, so that New refuses it")
	}
}
