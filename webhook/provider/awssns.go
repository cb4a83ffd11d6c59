package provider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// AmazonSNS is the scheme of HTTP and HTTPS endpoints of Amazon SNS.
//
// Signed are named members of the body, each as name and value on a line of its own, with RSA (PKCS #1 v1.5) and SHA-1 (SignatureVersion 1) or
// SHA-256 (2). MessageAttributes and UnsubscribeURL are NOT signed, and neither are the x-amz-sns header fields. Raw message delivery
// is not signed at all, and is refused.
//
// The signature proves that Amazon sent the message for SOME topic: anyone can own one. TopicARNs says which are yours.
//
// The certificate is at the body's SigningCertURL. It is fetched over https from a host of the form sns.<region>.amazonaws.com[.cn] alone,
// from a path that ends in ".pem", without redirect, within 5 seconds and 64 KiB, only for an allowed topic, and kept for a day. One outside
// its validity is refused.
//
// ID is MessageId, which is signed and the same in each attempt: deduplication goes by it. Type is the member Type. Tolerance: one hour
// both ways, because an attempt made again keeps the message's Timestamp, and attempts go on for up to an hour. Amazon waits 15 seconds.
//
// A SubscriptionConfirmation for an allowed topic is confirmed, after it was verified, by a request to its SubscribeURL under the
// same bounds; it is not handed on. An UnsubscribeConfirmation is an event.
//
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html and aws-sdk-ruby message_verifier. (The
// library sns-validator leaves out Token when it verifies an UnsubscribeConfirmation; Amazon's document does not.)
type AmazonSNS struct {
	// TopicARNs are the topics that may deliver, such as "arn:aws:sns:us-east-2:123456789012:orders". At least one is required.
	TopicARNs []string

	// Secrets are certificates or public keys, as PEM or base64 of DER: where there are any, only they are accepted and none is
	// fetched. A line before a PEM, or a secret without PEM, that begins with "arn:" is one more topic.
	Secrets []webhook.Secret

	// InsecureAnyTopic accepts messages of every topic in the world when TopicARNs is empty. Such a delivery proves nothing about its
	// sender. Subscriptions are then never confirmed.
	InsecureAnyTopic bool
}

// Provider returns "aws-sns".
func (AmazonSNS) Provider() string { return "aws-sns" }

// Prepare returns a Verifier, or every mistake in s.
func (s AmazonSNS) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &snsVerifier{
		topics:       slices.Clone(s.TopicARNs),
		window:       newWindow(setup, snsTolerance),
		transport:    setup.Transport,
		certificates: newCertificates(setup.Transport, snsCertificateURL),
	}
	secrets := s.Secrets
	if setup.Secrets != nil {
		secrets = setup.Secrets
	}
	for i, secret := range secrets {
		label, block := splitPEM(secret.Reveal())
		if strings.HasPrefix(label, "arn:") {
			v.topics = append(v.topics, label)
		} else if block == "" {
			block = label
		}
		if block != "" || label == "" {
			v.pinned = append(v.pinned, rsaKeys(i, secret.ID(), block, &c)...)
		}
	}
	if len(v.topics) == 0 && !s.InsecureAnyTopic {
		c.Hidden("TopicARNs", "must have at least one topic: anyone can own a topic that Amazon signs for")
	}
	for i, topic := range v.topics {
		if parts := strings.Split(topic, ":"); len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" {
			c.Field(fmt.Sprintf("TopicARNs[%d]", i), topic, "must be like arn:aws:sns:region:account:name")
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

const snsTolerance = time.Hour

// rsaKeys returns the RSA key in text, or notes what is wrong with it.
func rsaKeys(index int, id, text string, c *invalid.Config) []publicKey {
	k, rule := parsePublicKey(text)
	if _, ok := k.key.(*rsa.PublicKey); rule == "" && !ok {
		rule = "must be an RSA key"
	}
	if rule != "" {
		c.Hidden(secretField(index), rule)
		return nil
	}
	k.index, k.id = index, id
	return []publicKey{k}
}

// snsHost reports whether host is one of SNS: "sns.", a region such as "us-gov-west-1", and Amazon's domain. Amazon's own libraries take
// any label for a region; then a bucket named "sns" passes (sns.s3-us-west-2.amazonaws.com), and it is anyone's.
func snsHost(host string) bool {
	region, ok := strings.CutPrefix(host, "sns.")
	region = strings.TrimSuffix(region, ".cn")
	region, suffix := strings.CutSuffix(region, ".amazonaws.com")
	parts := strings.Split(region, "-")
	last := len(parts) - 1
	if !ok || !suffix || last < 2 || parts[last] == "" || strings.Trim(parts[last], "0123456789") != "" {
		return false
	}
	return !slices.ContainsFunc(parts[:last], func(part string) bool {
		return part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz") != ""
	})
}

func snsCertificateURL(u *url.URL) bool { return snsHost(u.Host) && strings.HasSuffix(u.Path, ".pem") }

// snsMessage is a message, as far as it matters to the proof.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            *string
	TopicArn         string
	Subject          *string
	Message          string
	SubscribeURL     *string
	Timestamp        string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// signed returns what Amazon signs, "" for a type that it does not send.
func (m *snsMessage) signed() string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	optional := func(name string, value *string) {
		if value != nil {
			line(name, *value)
		}
	}
	switch m.Type {
	case "Notification":
		line("Message", m.Message)
		line("MessageId", m.MessageID)
		optional("Subject", m.Subject)
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		line("Message", m.Message)
		line("MessageId", m.MessageID)
		optional("SubscribeURL", m.SubscribeURL)
	default:
		return ""
	}
	line("Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		optional("Token", m.Token)
	}
	line("TopicArn", m.TopicArn)
	line("Type", m.Type)
	return b.String()
}

// snsHash returns the hash of a SignatureVersion.
func snsHash(version string) (crypto.Hash, error) {
	switch version {
	case "1":
		return crypto.SHA1, nil
	case "2":
		return crypto.SHA256, nil
	}
	return 0, fmt.Errorf("%w: SignatureVersion %.20q", webhook.ErrSignatureFormat, version)
}

// snsVerifier is AmazonSNS made ready.
type snsVerifier struct {
	topics       []string
	pinned       []publicKey
	window       window
	transport    http.RoundTripper
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

// verifyRSA verifies a signature under the pinned keys, or where there are none under the certificate at certURL. A URL that is given must
// be the provider's in any case.
func verifyRSA(r *http.Request, c *certificates, pinned []publicKey, certURL string, hash crypto.Hash, signed, signature []byte, now time.Time) (webhook.Proof, error) {
	if certURL != "" || len(pinned) == 0 {
		if _, err := c.parse(certURL); err != nil {
			return webhook.Proof{}, err
		}
	}
	keys := pinned
	if len(keys) == 0 {
		key, err := c.get(r.Context(), certURL)
		if err != nil {
			return webhook.Proof{}, err
		}
		key.id = certURL
		keys = []publicKey{key}
	}
	h := hash.New()
	h.Write(signed)
	digest := h.Sum(nil)
	reason := error(webhook.ErrSignature)
	for _, k := range keys {
		key, ok := k.key.(*rsa.PublicKey)
		if !ok || rsa.VerifyPKCS1v15(key, hash, digest, signature) != nil {
			continue
		}
		if k.validAt(now) {
			return webhook.Proof{Secret: k.index, KeyID: k.id}, nil
		}
		reason = fmt.Errorf("%w: the certificate is not valid now", webhook.ErrSignature)
	}
	return webhook.Proof{}, reason
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
	if _, err := getBounded(r.Context(), v.transport, confirm, maxCertificate); err != nil {
		return nil, fmt.Errorf("%w: confirmation: %w", webhook.ErrUnavailable, err)
	}
	return &webhook.Reply{}, nil
}

// Sign signs r as Amazon does, with SignatureVersion 2. key is an RSA private key, as PEM or base64 of DER. body is a message, to which the
// signature and what is missing is added, or it becomes a notification's Message.
func (s AmazonSNS) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	signer, err := rsaSigner(key)
	if err != nil {
		return nil, err
	}
	var m snsMessage
	if decodeStrict(body, &m) != nil || m.signed() == "" {
		if body, err = edit(nil, func(o map[string]any) { o["Message"] = string(body) }); err != nil {
			return nil, err
		}
	}
	topic, _ := splitPEM(key.Reveal())
	switch {
	case len(s.TopicARNs) > 0:
		topic = s.TopicARNs[0]
	case !strings.HasPrefix(topic, "arn:"):
		topic = snsSampleTopic
	}
	body, err = edit(body, func(o map[string]any) {
		for name, value := range map[string]string{
			"Type": "Notification", "MessageId": rand.Text(), "TopicArn": topic, "Message": "",
			"Timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "2",
			"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService.pem",
		} {
			if _, ok := o[name]; !ok {
				o[name] = value
			}
		}
	})
	if err != nil {
		return nil, err
	}
	m = snsMessage{}
	if err := decodeStrict(body, &m); err != nil {
		return nil, err
	}
	hash, err := snsHash(m.SignatureVersion)
	if err != nil {
		return nil, err
	}
	signature, err := signRSA(signer, hash, []byte(m.signed()))
	if err != nil {
		return nil, err
	}
	setMethod(r, webhook.Contract{})
	r.Header.Set("X-Amz-Sns-Message-Type", m.Type)
	r.Header.Set("X-Amz-Sns-Message-Id", m.MessageID)
	r.Header.Set("X-Amz-Sns-Topic-Arn", m.TopicArn)
	r.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	return edit(body, func(o map[string]any) { o["Signature"] = signature })
}

// signRSA returns a PKCS #1 v1.5 signature as base64.
func signRSA(key *rsa.PrivateKey, hash crypto.Hash, signed []byte) (string, error) {
	h := hash.New()
	h.Write(signed)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, h.Sum(nil))
	if err != nil {
		return "", fmt.Errorf("provider: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// snsSampleTopic is the topic of a generated key pair.
const snsSampleTopic = "arn:aws:sns:us-east-1:123456789012:sample"

// GenerateSecret returns a new RSA key pair, for a sample topic.
func (AmazonSNS) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return generateRSA(snsSampleTopic)
}
