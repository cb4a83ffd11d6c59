package provider_test

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestGitLab(t *testing.T) {
	const signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	signedBy := func(key string) map[string]string {
		r := delivery{}.request(t)
		r.Header.Set("Webhook-Id", "i-1")
		if _, err := (provider.GitLab{}).Sign(r, []byte("{}"), now, webhook.NewSecret(key)); err != nil {
			t.Fatal(err)
		}
		header := map[string]string{}
		for name := range r.Header {
			header[name] = r.Header.Get(name)
		}
		return header
	}
	both := signedBy(signing)
	both["X-Gitlab-Token"] = "token"
	// What GitLab would send for a signing token that has no prefix: the text keys the hash.
	plain := signedBy(signing)
	plain["Webhook-Signature"] = "v1," + base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "token", fmt.Sprintf("i-1.%d.{}", now.Unix())))
	for _, row := range []struct {
		name    string
		secrets []string
		header  map[string]string
		want    error
		index   int
	}{
		{"a token", []string{"token"}, map[string]string{"X-Gitlab-Token": "token"}, nil, 0},
		{"the older of two tokens", []string{"new", "token"}, map[string]string{"X-Gitlab-Token": "token"}, nil, 1},
		{"another token", []string{"token"}, map[string]string{"X-Gitlab-Token": "Token"}, webhook.ErrSignature, 0},
		{"no token", []string{"token"}, nil, webhook.ErrNoSignature, 0},
		{"a signature", []string{signing}, signedBy(signing), nil, 0},
		{"a signature, behind a token in the list", []string{"token", signing}, signedBy(signing), nil, 1},
		{"a token alone, where a signing token is configured", []string{"token", signing}, map[string]string{"X-Gitlab-Token": "token"}, webhook.ErrNoSignature, 0},
		{"token and signature, where both are configured", []string{"token", signing}, both, nil, 1},
		{"token and signature, where a token is configured", []string{"token"}, both, nil, 0},
		{"a signature by another key", []string{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, signedBy(signing), webhook.ErrSignature, 0},
		{"a signature by a token used as text", []string{"token"}, plain, nil, 0},
		{"a token as if it was a signature", []string{"token"}, signedBy(signing), webhook.ErrSignature, 0},
	} {
		d := delivery{scheme: provider.GitLab{Secrets: secret(row.secrets...)}, header: row.header, body: "{}"}
		if proof := check(t, row.name, d, row.want); proof.Secret != row.index {
			t.Errorf("%s: secret %d, want %d", row.name, proof.Secret, row.index)
		}
	}
	e := delivered(t, "gitlab", "{}", nil)
	if !e.IDSigned {
		t.Error("a signed id is not said to be")
	}
	d := delivery{scheme: provider.GitLab{Secrets: secret("token")}, header: map[string]string{"X-Gitlab-Token": "token", "Idempotency-Key": "k"}}
	v := d.prepared(t)
	if e := describe(v, d.request(t), nil, webhook.Proof{}); e.ID != "k" || e.IDSigned {
		t.Errorf("by a token: %+v", e)
	}
	r := d.request(t)
	if _, err := (provider.GitLab{}).Sign(r, nil, now, webhook.NewSecret("token")); err != nil || r.Header.Get("X-Gitlab-Token") != "token" {
		t.Errorf("%v, %v", err, r.Header)
	}
}
