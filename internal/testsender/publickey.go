package testsender

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // SNS's SignatureVersion 1
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"hash/crc32"
	"strconv"
	"strings"
	"sync"
)

// byPublicKey are the providers that keep the key to themselves.
func byPublicKey() []Provider {
	return []Provider{
		// sendgrid-go helpers/eventwebhook: ECDSA on P-256, as base64 of ASN.1.
		{ID: "sendgrid", Keys: ecKeys(), Body: "[{\"event\":\"open\",\"sg_event_id\":\"1\"}]\r\n", Clock: Seconds, Proof: "X-Twilio-Email-Event-Webhook-Signature", Strong: true, Send: func(d Delivery) Request {
			key, _ := privateKey(d.Key.Sender).(*ecdsa.PrivateKey)
			digest := sha256.Sum256([]byte(d.Time + d.Body))
			signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
			return d.post("X-Twilio-Email-Event-Webhook-Timestamp", d.Time, "X-Twilio-Email-Event-Webhook-Signature", text64(signature, err))
		}},
		// discord.com/developers/docs/interactions/overview: Ed25519, as hexadecimal.
		{ID: "discord", Keys: edKeys(), Body: `{"id":"1","type":2}`, Clock: Seconds, Proof: "X-Signature-Ed25519", Hex: true, Strong: true, Send: func(d Delivery) Request {
			seed, _ := hex.DecodeString(d.Key.Sender)
			signature := ed25519.Sign(ed25519.NewKeyFromSeed(seed), []byte(d.Time+d.Body))
			return d.post("X-Signature-Timestamp", d.Time, "X-Signature-Ed25519", hex.EncodeToString(signature))
		}},
		// PayPal-Python-SDK paypalrestsdk/notifications.py: four values, the last the CRC-32 of the body.
		{ID: "paypal", Keys: rsaKeys("4JH86294D6297924G\n"), Body: `{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}`, Clock: Date, Proof: "Paypal-Transmission-Sig", Strong: true, Send: func(d Delivery) Request {
			signed := "dfb3be50-fd74-11e4-8bf3-77339302725b|" + d.Time + "|4JH86294D6297924G|" + strconv.Itoa(int(crc32.ChecksumIEEE([]byte(d.Body))))
			return d.post("PAYPAL-TRANSMISSION-ID", "dfb3be50-fd74-11e4-8bf3-77339302725b", "PAYPAL-TRANSMISSION-TIME", d.Time, "PAYPAL-AUTH-ALGO", "SHA256withRSA",
				"PAYPAL-CERT-URL", "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
				"PAYPAL-TRANSMISSION-SIG", rsaSignature(d.Key.Sender, crypto.SHA256, signed))
		}},
		{ID: "aws-sns", Keys: rsaKeys(SNSTopic + "\n"), Body: "Hello", Clock: Date, Strong: true, Signed: snsFields, Send: func(d Delivery) Request { return d.sns("2", crypto.SHA256) }},
	}
}

// SNSTopic is the topic of the deliveries and keys of aws-sns.
const SNSTopic = "arn:aws:sns:us-east-1:123456789012:orders"

// SNSVersion1 is aws-sns as it signed first: with SHA-1.
func SNSVersion1() Provider {
	return Provider{ID: "aws-sns", Keys: rsaKeys(SNSTopic + "\n"), Body: "Hello", Clock: Date, Strong: true, Signed: snsFields, Send: func(d Delivery) Request { return d.sns("1", crypto.SHA1) }}
}

// sns returns a notification whose Message is d's body (docs.aws.amazon.com/sns, verify signatures: names and values, a line each).
func (d Delivery) sns(version string, hash crypto.Hash) Request {
	signed := "Message\n" + d.Body + "\nMessageId\nm-1\nTimestamp\n" + d.Time + "\nTopicArn\n" + SNSTopic + "\nType\nNotification\n"
	message := map[string]string{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": SNSTopic, "Message": d.Body, "Timestamp": d.Time, "SignatureVersion": version,
		"Signature": rsaSignature(d.Key.Sender, hash, signed), "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
		"UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
	}
	d.Body = objectOf(message)
	r := d.post("x-amz-sns-message-type", "Notification", "x-amz-sns-message-id", "m-1", "x-amz-sns-topic-arn", SNSTopic)
	r.Header.Set("Content-Type", "text/plain; charset=UTF-8")
	return r
}

func objectOf(members map[string]string) string {
	b, err := json.Marshal(members)
	if err != nil {
		return ""
	}
	return string(b)
}

func snsFields(body []byte) string {
	var m struct{ Type, MessageId, TopicArn, Message, Timestamp, SignatureVersion, Signature string }
	var subject struct{ Subject *string }
	if json.Unmarshal(body, &m) != nil || json.Unmarshal(body, &subject) != nil || subject.Subject != nil {
		return ""
	}
	return strings.Join([]string{m.Type, m.MessageId, m.TopicArn, m.Message, m.Timestamp, m.SignatureVersion, m.Signature}, "\n")
}

func text64(b []byte, err error) string {
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(b)
}

func rsaSignature(key string, hash crypto.Hash, text string) string {
	private, _ := privateKey(key).(*rsa.PrivateKey)
	sum := sha256.Sum256([]byte(text))
	digest := sum[:]
	if hash == crypto.SHA1 {
		sum := sha1.Sum([]byte(text)) //nolint:gosec // as Amazon did
		digest = sum[:]
	}
	return text64(rsa.SignPKCS1v15(rand.Reader, private, hash, digest))
}

// privateKey reads what pair writes.
func privateKey(text string) crypto.PrivateKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	key, _ := x509.ParsePKCS8PrivateKey(block.Bytes) // nil where it is none, and nobody's key
	return key
}

// pair returns both halves of a key pair as PEM behind label.
func pair(label string, private crypto.Signer) Key {
	half := func(kind string, der []byte, err error) string {
		if err != nil {
			return ""
		}
		return label + string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	signing, err := x509.MarshalPKCS8PrivateKey(private)
	verifying, wrong := x509.MarshalPKIXPublicKey(private.Public())
	return Key{half("PRIVATE KEY", signing, err), half("PUBLIC KEY", verifying, wrong)}
}

// rsaKeysMade are made once: it takes long.
var rsaKeysMade = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048) // a failure shows as a key that signs nothing
	}
	return keys
})

func rsaKeys(label string) (keys [3]Key) {
	for i := range keys {
		keys[i] = pair(label, rsaKeysMade()[i])
	}
	return keys
}

func ecKeys() (keys [3]Key) {
	for i := range keys {
		if key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
			keys[i] = pair("", key)
		}
	}
	return keys
}

func edKeys() (keys [3]Key) {
	for i := range keys {
		seed := strings.Repeat(string(rune('a'+i)), ed25519.SeedSize)
		public, _ := ed25519.NewKeyFromSeed([]byte(seed)).Public().(ed25519.PublicKey) // which it is
		keys[i] = Key{hex.EncodeToString([]byte(seed)), hex.EncodeToString(public)}
	}
	return keys
}

// SNSSubscription is the message by which SNS asks whether an endpoint wants a topic's messages.
func SNSSubscription(key Key, timestamp, topic, subscribe string) Request {
	const token, text = "2336412f37f", //nolint:gosec // nobody's
		"You have chosen to subscribe to the topic."
	signed := "Message\n" + text + "\nMessageId\nm-2\nSubscribeURL\n" + subscribe + "\nTimestamp\n" + timestamp + "\nToken\n" + token + "\nTopicArn\n" + topic +
		"\nType\nSubscriptionConfirmation\n"
	body := objectOf(map[string]string{
		"Type": "SubscriptionConfirmation", "MessageId": "m-2", "Token": token, "TopicArn": topic, "Message": text, "SubscribeURL": subscribe, "Timestamp": timestamp,
		"SignatureVersion": "2", "Signature": rsaSignature(key.Sender, crypto.SHA256, signed), "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
	})
	return Delivery{Body: body, URL: "https://app.example/hooks/in"}.post("x-amz-sns-message-type", "SubscriptionConfirmation")
}
