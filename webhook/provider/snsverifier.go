package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

const snsTolerance = time.Hour

// snsVerifier is AmazonSNS made ready.
type snsVerifier struct {
	topics       []string
	pinned       []publicKey
	window       window
	client       *http.Client
	certificates *certificates
}

// Contract returns what Amazon promises and expects.
func (*snsVerifier) Contract() webhook.Contract {
	return webhook.Contract{Tolerance: snsTolerance, AckTimeout: 15 * time.Second, RetryWindow: time.Hour}
}

// Verify checks the topic, then the signature, then the time.
func (v *snsVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	var m snsMessage
	if err := decodeStrict(body, &m); err != nil {
		return webhook.Proof{}, err
	}
	if m.Signature == "" {
		return webhook.Proof{}, webhook.ErrNoSignature
	}
	signed := m.signed()
	if signed == "" {
		return webhook.Proof{}, fmt.Errorf("%w: Type %.40q", webhook.ErrPayload, m.Type)
	}
	if m.ambiguous() {
		return webhook.Proof{}, fmt.Errorf("%w: a line break in another member than Message", webhook.ErrPayload)
	}
	hash, err := snsHash(m.SignatureVersion)
	if err != nil {
		return webhook.Proof{}, err
	}
	signature, err := decodeBase64(m.Signature)
	if err != nil {
		return webhook.Proof{}, fmt.Errorf("%w: Signature is not base64", webhook.ErrSignatureFormat)
	}
	sent, err := RFC3339.parse(m.Timestamp)
	if err != nil {
		return webhook.Proof{}, err
	}
	if len(v.topics) > 0 && !slices.Contains(v.topics, m.TopicArn) {
		return webhook.Proof{}, fmt.Errorf("%w: topic %.200q is not one of TopicARNs", webhook.ErrForbidden, m.TopicArn)
	}
	proof, err := verifyRSA(r, v.certificates, v.pinned, m.SigningCertURL, hash, []byte(signed), signature, now)
	if err != nil {
		return webhook.Proof{}, err
	}
	if err := v.window.check(sent, now); err != nil {
		return webhook.Proof{}, err
	}
	proof.SentAt = sent
	return proof, nil
}

// Describe fills in what e says of itself.
func (*snsVerifier) Describe(_ *http.Request, e *webhook.Event) {
	var m snsMessage
	if decodeStrict(e.Body, &m) != nil {
		return
	}
	e.Type, e.TypeSigned = m.Type, true
	e.ID, e.IDSigned = m.MessageID, true
	e.Key = webhook.NewKey("aws-sns", []byte("id"), []byte(m.TopicArn), []byte(m.MessageID))
}

// Confirm confirms a subscription to an allowed topic.
func (v *snsVerifier) Confirm(r *http.Request, e *webhook.Event) (*webhook.Reply, error) {
	if e.Type != "SubscriptionConfirmation" {
		return nil, nil
	}
	var m snsMessage
	if err := decodeStrict(e.Body, &m); err != nil {
		return nil, err
	}
	if !slices.Contains(v.topics, m.TopicArn) {
		return nil, fmt.Errorf("%w: topic %.200q is not one of TopicARNs", webhook.ErrForbidden, m.TopicArn)
	}
	if m.SubscribeURL == nil || m.Token == nil {
		return nil, fmt.Errorf("%w: no SubscribeURL or Token", webhook.ErrHandshake)
	}
	u, err := url.Parse(*m.SubscribeURL)
	if err != nil || u.Scheme != "https" || u.User != nil || !snsHost(u.Host) || u.Query().Get("Action") != "ConfirmSubscription" {
		return nil, fmt.Errorf("%w: SubscribeURL is not one of SNS", webhook.ErrHandshake)
	}
	// The address is made anew from what is known to be harmless: the host, and the signed topic and token.
	confirm := &url.URL{Scheme: "https", Host: u.Host, Path: "/", RawQuery: url.Values{
		"Action": {"ConfirmSubscription"}, "TopicArn": {m.TopicArn}, "Token": {*m.Token},
	}.Encode()}
	if _, err := getBounded(r.Context(), v.client, confirm, maxCertificate); err != nil {
		return nil, fmt.Errorf("%w: confirmation: %w", webhook.ErrUnavailable, err)
	}
	return &webhook.Reply{}, nil
}
