package provider

import (
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// GitLab is the scheme of GitLab's webhooks: a token, or, since 2026, a signature.
//
// A secret that begins with "whsec_" is a signing token: GitLab signs "{webhook-id}.{webhook-timestamp}.{body}" with HMAC-SHA256 as
// Standard Webhooks do (see [StandardWebhooks]). Prefer it. While there is one among Secrets, a delivery must be signed; a token in
// X-Gitlab-Token alone is not enough, so that nobody can choose the weaker proof.
//
// Any other secret is a token, shown in X-Gitlab-Token: nothing is signed then, and who has seen one delivery can make any other. A
// delivery without X-Gitlab-Token is checked against it as a signing token that has no prefix, used as text.
//
// The id is webhook-id, or Idempotency-Key, which is the same and the same in each attempt; deduplication goes by it, also where it is not
// signed: a token's holder could make up the body as well. (X-Gitlab-Event-UUID is another in each attempt.) Type is the field
// X-Gitlab-Event, such as "Push Hook", which is not signed. Tolerance: 5 minutes both ways; GitLab names none. GitLab waits 10 seconds.
//
// Source: https://docs.gitlab.com/user/project/integrations/webhooks/, gitlab-org/gitlab merge request 230944 (which has no
// sample signature) and app/services/web_hook_service.rb.
type GitLab struct {
	// Secrets are signing tokens and tokens, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Provider returns "gitlab".
func (GitLab) Provider() string { return "gitlab" }

// hmac returns the scheme of signed deliveries, whose secrets are prefixed or not.
func (s GitLab) hmac(prefixed bool) HMAC {
	h := standard("gitlab", "Webhook", s.Secrets)
	if !prefixed {
		h.SecretFormat, h.SecretPrefix, h.MinSecret = RawSecret, "", 0
	}
	h.EventType = Source{Header: "X-Gitlab-Event", JSON: []string{"object_kind", "event_name"}}
	h.Contract = webhook.Contract{
		Tolerance:     defaultTolerance,
		AckTimeout:    10 * time.Second,
		SecretHeaders: []string{"X-Gitlab-Token"},
	}
	return h
}

// Prepare returns a Verifier, or every mistake in s.
func (s GitLab) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	secrets := secretsOf(setup, s.Secrets, &c)
	for i, secret := range secrets {
		rule := checkSecret(secret.Reveal())
		if rule == "" && strings.HasPrefix(secret.Reveal(), sharedPrefix) {
			rule = checkShared(secret.Reveal())
		}
		if rule != "" {
			c.Hidden(secretField(i), rule)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	var signing []webhook.Secret
	var indexes []int
	for i, secret := range secrets {
		if strings.HasPrefix(secret.Reveal(), sharedPrefix) {
			signing = append(signing, secret)
			indexes = append(indexes, i)
		}
	}
	v := &gitlabVerifier{}
	var err error
	if len(signing) > 0 {
		setup.Secrets = signing
		if v.hmacVerifier, err = s.hmac(true).prepare(setup); err != nil {
			return nil, err
		}
		for i, index := range indexes {
			v.keys[i].index = index
		}
		return v, nil
	}
	if v.hmacVerifier, err = s.hmac(false).prepare(setup); err != nil {
		return nil, err
	}
	v.token = &tokenVerifier{
		identity: identity{
			provider: "gitlab", bearer: true,
			typ: v.typ, id: Source{Header: "Idempotency-Key"},
		},
		tokens: tokensOf(setup, s.Secrets, &c),
		places: []place{headerToken("X-Gitlab-Token")},
	}
	return v, nil
}

// gitlabVerifier is GitLab made ready: token is nil where deliveries must be signed.
type gitlabVerifier struct {
	*hmacVerifier
	token *tokenVerifier
}

// shown reports whether a delivery is to be judged by its token.
func (v *gitlabVerifier) shown(h http.Header) bool {
	return v.token != nil && (len(h["X-Gitlab-Token"]) > 0 || len(h["Webhook-Signature"]) == 0)
}

// Verify checks the token or the signature.
func (v *gitlabVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	if v.shown(r.Header) {
		return v.token.Verify(r, body, now)
	}
	return v.hmacVerifier.Verify(r, body, now)
}

// Describe fills in what e says of itself.
func (v *gitlabVerifier) Describe(r *http.Request, e *webhook.Event) {
	if v.shown(r.Header) {
		v.token.Describe(r, e)
		return
	}
	v.hmacVerifier.Describe(r, e)
}

// Sign signs with a signing token ("whsec_…"), or shows any other key as a token.
func (s GitLab) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	if strings.HasPrefix(key.Reveal(), sharedPrefix) {
		return s.hmac(true).Sign(r, body, now, key)
	}
	setMethod(r, webhook.Contract{})
	r.Header.Set("X-Gitlab-Token", key.Reveal())
	return body, nil
}

// GenerateSecret returns a new signing token.
func (s GitLab) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac(true).GenerateSecret()
}
