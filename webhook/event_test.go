package webhook_test

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestKeyKeepsPartsApart(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	keys := map[string]webhook.Key{
		"one part":                    webhook.NewKey("p", b("ab")),
		"the same bytes in two parts": webhook.NewKey("p", b("a"), b("b")),
		"moved into the provider":     webhook.NewKey("pa", b("b")),
		"with an empty part":          webhook.NewKey("p", b("ab"), nil),
		"no part":                     webhook.NewKey("p"),
	}
	seen := map[webhook.Key]string{}
	for name, k := range keys {
		if other, ok := seen[k]; ok {
			t.Errorf("%s gives the key of %s", name, other)
		}
		seen[k] = name
	}
	if webhook.NewKey("p", b("ab")) != keys["one part"] {
		t.Error("the same parts give another key")
	}
	if got := len(webhook.NewKey("p").String()); got != 64 {
		t.Errorf("String has %d characters, want 64 of hexadecimal", got)
	}
}
