package provider

import (
	"crypto/rand"
	"fmt"
	"net/http"
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
// is not signed at all, and is refused. Nothing marks where a member ends but the line break, so one in another member than Message is refused.
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
		client:       setup.Client,
		certificates: newCertificates(setup.Client, snsCertificateURL),
	}
	secrets := s.Secrets
	if setup.Secrets != nil {
		secrets = setup.Secrets
	}
	for i, secret := range secrets {
		label, block := splitPEM(secret.Reveal())
		if strings.HasPrefix(label, "arn:") {
			if !snsTopic(label) {
				c.Hidden(secretField(i), snsTopicRule) // what is in a Secret stays there
			}
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
	for i, topic := range s.TopicARNs {
		if !snsTopic(topic) {
			c.Field(fmt.Sprintf("TopicARNs[%d]", i), topic, snsTopicRule)
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

const snsTopicRule = "must be like arn:aws:sns:region:account:name"

// snsTopic reports whether text is the ARN of a topic.
func snsTopic(text string) bool {
	parts := strings.Split(text, ":")
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "sns"
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

// snsSampleTopic is the topic of a generated key pair.
const snsSampleTopic = "arn:aws:sns:us-east-1:123456789012:sample"

// GenerateSecret returns a new RSA key pair, for a sample topic.
func (AmazonSNS) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return generateRSA(snsSampleTopic)
}
