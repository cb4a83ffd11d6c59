package provider

import (
	"crypto"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// WebSub is the scheme of a subscriber of the W3C recommendation WebSub, once PubSubHubbub.
//
// Signed is the body alone, with HMAC under the hub.secret that was given when subscribing, as "<method>=<hex>" in X-Hub-Signature. The
// method is the hub's choice: sha1, sha256, sha384 or sha512. A hub that is given no secret signs nothing, and its deliveries are
// refused; as WebSub demands, they are answered as if accepted, and ignored.
//
// A delivery is the topic's new content, without id, time or type. Deduplication goes by the body. The topic, in the Link header, is not
// signed: give each topic its own URL. How long a hub waits and retries is the hub's choice.
//
// The handshake is GET with hub.mode, hub.topic and hub.challenge. The challenge is answered as plain text when the topic is one
// of Topics, or, for unsubscribe, none of them; else the answer is 404. hub.mode=denied is acknowledged.
//
// Source: https://www.w3.org/TR/websub/
type WebSub struct {
	// Secrets are the values of hub.secret, of less than 200 bytes, newest first. At least one is required.
	Secrets []webhook.Secret

	// Topics are the URLs of the topics that are subscribed to.
	Topics []string

	anyTopic bool // see Inspect
}

// Provider returns "websub".
func (WebSub) Provider() string { return "websub" }

// webSubMethods are the methods of section 8 of the recommendation.
func webSubMethods() []webSubMethod {
	return []webSubMethod{
		{"sha256", crypto.SHA256}, {"sha512", crypto.SHA512}, {"sha384", crypto.SHA384}, {"sha1", crypto.SHA1},
	}
}

type webSubMethod struct {
	name string
	hash crypto.Hash
}

// hmac returns the scheme for hubs that use method.
func (s WebSub) hmac(method webSubMethod) HMAC {
	return HMAC{
		Name:    "websub",
		Secrets: s.Secrets,
		Hash:    method.hash,
		Header:  "X-Hub-Signature",
		Prefix:  method.name + "=",
		Contract: webhook.Contract{
			HandshakeMethods: []string{http.MethodGet},
			IgnoreForged:     true,
		},
	}
}

// Prepare returns a Verifier, or every mistake in s.
func (s WebSub) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		if len(secret.Reveal()) >= 200 {
			c.Hidden(secretField(i), "must have less than 200 bytes")
		}
	}
	for i, topic := range s.Topics {
		if topic == "" {
			c.Hidden(fmt.Sprintf("Topics[%d]", i), "must not be empty")
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	v := &webSubVerifier{topics: slices.Clone(s.Topics), anyTopic: s.anyTopic}
	for _, method := range webSubMethods() {
		one, err := s.hmac(method).prepare(setup)
		if err != nil {
			return nil, err
		}
		v.methods = append(v.methods, one)
	}
	v.hmacVerifier = v.methods[0]
	return v, nil
}

// webSubVerifier is WebSub made ready.
type webSubVerifier struct {
	*hmacVerifier
	methods []*hmacVerifier
	topics  []string

	anyTopic bool
}

// Verify checks the signature by the method that it names.
func (v *webSubVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	field, err := only(r.Header, v.Header)
	if err != nil {
		return webhook.Proof{}, err
	}
	for _, method := range v.methods {
		if strings.HasPrefix(field, method.Prefix) {
			return method.Verify(r, body, now)
		}
	}
	return webhook.Proof{}, fmt.Errorf("%w: no known method in X-Hub-Signature", webhook.ErrSignatureFormat)
}

// errTopic is a handshake for a topic that was not asked for: section 5.3 of the recommendation wants 404.
var errTopic = refusal.New(http.StatusNotFound, "websub: not the topic that is subscribed to")

// Handshake answers GET.
func (v *webSubVerifier) Handshake(r *http.Request, _ []byte) (*webhook.Reply, error) {
	if r.Method != http.MethodGet {
		return nil, nil
	}
	query, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	subscribed := slices.Contains(v.topics, query.Get("hub.topic"))
	switch query.Get("hub.mode") {
	case "subscribe":
		if !subscribed && !v.anyTopic {
			return nil, fmt.Errorf("%w: %w", errTopic, webhook.ErrHandshake)
		}
	case "unsubscribe":
		if subscribed {
			return nil, fmt.Errorf("%w: %w", errTopic, webhook.ErrHandshake)
		}
	case "denied":
		return &webhook.Reply{}, nil
	default:
		return nil, fmt.Errorf("%w: hub.mode is none of WebSub's", webhook.ErrHandshake)
	}
	return echo(query.Get("hub.challenge"))
}

// Sign signs r as a hub does that uses SHA-256.
func (s WebSub) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	return s.hmac(webSubMethods()[0]).Sign(r, body, now, key)
}

// GenerateSecret returns a new hub.secret.
func (s WebSub) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return s.hmac(webSubMethods()[0]).GenerateSecret()
}
