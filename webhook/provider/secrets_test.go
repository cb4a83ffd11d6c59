package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestSecretsThatCannotBeAreRefused(t *testing.T) {
	for _, id := range provider.IDs() {
		t.Run(id, func(t *testing.T) {
			for _, row := range []struct {
				name    string
				secrets []webhook.Secret
				want    string
			}{
				{"none", nil, "must have at least one"},
				{"an empty list", []webhook.Secret{}, "must have at least one"},
				{"an empty one", secret(""), "Secrets[0] must not be empty"},
				{"the zero Secret", []webhook.Secret{{}}, "Secrets[0] must not be empty"},
				{"an empty one behind a good one", append(good(t, id), webhook.Secret{}), "Secrets[1] must not be empty"},
				{"nothing but space", secret(" "), "Secrets[0] must"},
				{"a line break behind it", secret("0123456789abcdef0123456789abcdef\n"), "Secrets[0] must"},
				{"a space before it", secret(" 0123456789abcdef0123456789abcdef"), "Secrets[0] must"},
			} {
				scheme, err := provider.New(id, row.secrets...)
				if err != nil {
					t.Fatal(err)
				}
				d := delivery{scheme: scheme}
				v, err := scheme.Prepare(d.completeSetup(t))
				if err == nil || v != nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("%s: %v, want %q", row.name, err, row.want)
				}
				replaced, err := provider.New(id, good(t, id)...)
				if err != nil {
					t.Fatal(err)
				}
				if row.secrets == nil {
					continue // means that the scheme's own are used
				}
				d.setup.Secrets = row.secrets
				if _, err := replaced.Prepare(d.completeSetup(t)); err == nil {
					t.Errorf("%s, in place of the scheme's own: accepted", row.name)
				}
			}
		})
	}
}

// good returns the receiver's half of a new secret.
func good(tb testing.TB, id string) []webhook.Secret {
	tb.Helper()
	scheme, err := provider.New(id)
	if err != nil {
		tb.Fatal(err)
	}
	_, verifying, err := scheme.(webhook.Signer).GenerateSecret()
	if err != nil {
		tb.Fatal(err)
	}
	return []webhook.Secret{verifying}
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	_, err := provider.Square{Secrets: secret("good", "", " x")}.Prepare(webhook.Setup{Client: &http.Client{Transport: noNetwork{}}})
	for _, want := range []string{"PublicURL must be given", "Secrets[1] must not be empty", "Secrets[2] must not begin or end with white space"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want also %q", err, want)
		}
	}
}

func TestAMistakeNamesTheSecretThatMadeIt(t *testing.T) {
	const public = "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
	for _, scheme := range []webhook.Scheme{
		provider.StandardWebhooks{Secrets: secret(public, "whsec_AAAA")},
		provider.GitLab{Secrets: secret("token", "whsec_AAAA")},
		provider.PayPal{Secrets: secret("WEBHOOK", "no id!")},
	} {
		if _, err := scheme.Prepare(webhook.Setup{Client: &http.Client{Transport: noNetwork{}}}); err == nil || !strings.Contains(err.Error(), "Secrets[1]") {
			t.Errorf("%s: %v", scheme.Provider(), err)
		}
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestSecretsInTheProvidersFormat(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip(err) // a build that refuses to make one, such as FIPS 140
	}
	weakDER, _ := x509.MarshalPKIXPublicKey(&weak.PublicKey)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p224DER, _ := x509.MarshalPKIXPublicKey(&p224.PublicKey)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256DER, _ := x509.MarshalPKIXPublicKey(&p256.PublicKey)
	p256Private, _ := x509.MarshalPKCS8PrivateKey(p256)
	rsaPublic := file(t, "paypal.pem")
	const arn = "arn:aws:sns:us-east-2:123456789012:orders"
	ed := "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
	for _, row := range []struct {
		id, name, text string
		want           string // "" for accepted
	}{
		{"standardwebhooks", "with its prefix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""},
		{"standardwebhooks", "without its prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""},
		{"standardwebhooks", "without padding", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA", ""},
		{"standardwebhooks", "text", "whsec_this is not base64", "must be base64 after the prefix whsec_"},
		{"standardwebhooks", "base64url", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", "must be base64"},
		{"standardwebhooks", "too short", "whsec_MfKQ9r8GKYqrTwjU", "at least 16 bytes"},
		{"standardwebhooks", "only a prefix", "whsec_", "must not be empty after the prefix whsec_"},
		{"standardwebhooks", "a public key", "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", ""},
		{"standardwebhooks", "a public key that is cut short", "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D", "must be 32 bytes"},
		{"standardwebhooks", "a public key that is none", "whpk_!", "must be base64"},
		{"standardwebhooks", "a private key", "whsk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", "must be the public key"},
		{"svix", "short, as in its documentation", "whsec_plJ3nmyCDGBKInavdOK15jsl", ""},
		{"openai", "too short for OpenAI", "whsec_plJ3nmyCDGBKInavdOK15jsl", "at least 24 bytes"},
		{"stripe", "used as text", "whsec_not base64 at all", ""},
		{"gitlab", "a signing token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""},
		{"gitlab", "a token", "any text", ""},
		{"gitlab", "a short signing token", "whsec_AAAA", "at least 16 bytes"},
		{"gitlab", "a signing token that is none", "whsec_!", "must be base64"},
		{"adyen", "hexadecimal", "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", ""},
		{"adyen", "in small letters", "dfb1eb5485895cfa84146406857104abb4cbcabdc8aaf103a624c8f6a3eaab00", ""},
		{"adyen", "other letters", "XFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00", "must be hexadecimal"},
		{"adyen", "too short", "DFB1EB54", "at least 16 bytes"},
		{"contentful", "64 characters", strings.Repeat("aZ0+/=_-", 8), ""},
		{"contentful", "63 characters", strings.Repeat("a", 63), "must have 64"},
		{"contentful", "another character", strings.Repeat("a", 63) + "!", "must have 64"},
		{"telegram", "letters, digits and signs", "aZ0_-", ""},
		{"telegram", "another character", "a b", "must be 1 to 256"},
		{"telegram", "257 characters", strings.Repeat("a", 257), "must be 1 to 256"},
		{"msgraph", "128 characters", strings.Repeat("a", 128), ""},
		{"msgraph", "129 characters", strings.Repeat("a", 129), "at most 128"},
		{"websub", "199 bytes", strings.Repeat("a", 199), ""},
		{"websub", "200 bytes", strings.Repeat("a", 200), "less than 200"},
		{"discord", "hexadecimal", "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb", ""},
		{"discord", "hexadecimal in capitals", "26B40B8F93FFF3D897112F7EBC582B232DBD72517D082FE83CFB30DDCE43D1BB", ""},
		{"discord", "DER", ed, ""},
		{"discord", "PEM", "-----BEGIN PUBLIC KEY-----\n" + ed + "\n-----END PUBLIC KEY-----\n", ""},
		{"discord", "cut short", "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1", "must be 64 hexadecimal digits"},
		{"discord", "a key of another kind", base64.StdEncoding.EncodeToString(p256DER), "must be an Ed25519 key"},
		{"sendgrid", "DER", base64.StdEncoding.EncodeToString(p256DER), ""},
		{"sendgrid", "PEM", pemOf("PUBLIC KEY", p256DER), ""},
		{"sendgrid", "a key on another curve", pemOf("PUBLIC KEY", p224DER), "must be an ECDSA key on P-256"},
		{"sendgrid", "a key of another kind", ed, "must be an ECDSA key on P-256"},
		{"sendgrid", "no key", base64.StdEncoding.EncodeToString([]byte("no key")), "must hold a public key"},
		{"sendgrid", "text", "no key", "must be PEM, or base64 of DER"},
		{"sendgrid", "broken PEM", "-----BEGIN PUBLIC KEY-----\n!", "must be well-formed PEM"},
		{"sendgrid", "the private key", pemOf("PRIVATE KEY", p256Private), "must be a public key"},
		{"aws-sns", "a topic", arn, ""},
		{"aws-sns", "a topic and a certificate", arn + "\n" + file(t, "sns.pem"), ""},
		{"aws-sns", "a certificate without a topic", file(t, "sns.pem"), "TopicARNs must have at least one topic"},
		{"aws-sns", "a topic of another service", "arn:aws:sqs:us-east-2:123456789012:orders", "Secrets[0] must be like arn:aws:sns"},
		{"aws-sns", "a topic and a key that is too weak", arn + "\n" + pemOf("PUBLIC KEY", weakDER), "at least 2048 bits"},
		{"aws-sns", "a topic and a key of another kind", arn + "\n" + pemOf("PUBLIC KEY", p256DER), "must be an RSA key"},
		{"aws-sns", "text", "topic", "must be PEM, or base64 of DER"},
		{"paypal", "a webhook's id", "4JH86294D6297924G", ""},
		{"paypal", "an id and a key", "4JH86294D6297924G\n" + rsaPublic, ""},
		{"paypal", "a key alone", rsaPublic, "must have the id of the webhook"},
		{"paypal", "an id with other characters", "4JH|86", "must be a webhook id"},
		{"paypal", "an id and a key of another kind", "4JH86294D6297924G\n" + pemOf("PUBLIC KEY", p256DER), "must be an RSA key"},
		{"rfc9421", "a shared secret", "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4", ""},
		{"rfc9421", "a short shared secret", "AAAA", "at least 16 bytes"},
		{"rfc9421", "text", "text is no key!", "must be base64"},
		{"rfc9421", "an Ed25519 key", ed, ""},
		{"rfc9421", "an ECDSA key", pemOf("PUBLIC KEY", p256DER), ""},
		{"rfc9421", "an RSA key", rsaPublic, ""},
		{"rfc9421", "an RSA key as PKCS #1", pemOf("RSA PUBLIC KEY", pkcs1(t, rsaPublic)), ""},
		{"rfc9421", "a certificate", file(t, "sns.pem"), ""},
		{"rfc9421", "an RSA key that is too weak", pemOf("PUBLIC KEY", weakDER), "at least 2048 bits"},
		{"rfc9421", "a key on another curve", pemOf("PUBLIC KEY", p224DER), "must be an ECDSA key on P-256 or P-384"},
	} {
		scheme, err := provider.New(row.id, webhook.NewSecret(row.text))
		if err != nil {
			t.Fatal(err)
		}
		d := delivery{scheme: scheme}
		_, err = scheme.Prepare(d.completeSetup(t))
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s, %s: %v, want %q", row.id, row.name, err, row.want)
		}
		if err != nil && len(row.text) >= 8 && strings.Contains(err.Error(), row.text) {
			t.Errorf("%s, %s: the error shows the secret: %v", row.id, row.name, err)
		}
	}
}

// pkcs1 returns the RSA key in a PKIX PEM as PKCS #1.
func pkcs1(tb testing.TB, text string) []byte {
	tb.Helper()
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return x509.MarshalPKCS1PublicKey(key.(*rsa.PublicKey))
}

// Environment files hold a PEM on one line.
func TestAPEMOnOneLineIsAKey(t *testing.T) {
	oneLine := func(s webhook.Secret, lineBreak string) webhook.Secret {
		return webhook.NewSecret(strings.ReplaceAll(s.Reveal(), "\n", lineBreak))
	}
	for _, row := range []struct {
		id                 string
		signing, verifying string
	}{
		{"aws-sns", rsaPrivate(t), "arn:aws:sns:us-east-1:123456789012:sample\n" + publicPEM(t, rsaKey(t).Public())},
		{"paypal", "4JH86294D6297924G\n" + rsaPrivate(t), "4JH86294D6297924G\n" + publicPEM(t, rsaKey(t).Public())},
		{"rfc9421", rsaPrivate(t), publicPEM(t, rsaKey(t).Public())},
	} {
		for _, lineBreak := range []string{`\n`, `\r\n`} {
			scheme, err := provider.New(row.id, oneLine(webhook.NewSecret(row.verifying), lineBreak))
			if err != nil {
				t.Fatal(err)
			}
			d := delivery{scheme: scheme}
			r := d.request(t)
			body, err := scheme.(webhook.Signer).Sign(r, []byte("{}"), now, oneLine(webhook.NewSecret(row.signing), lineBreak))
			if err != nil {
				t.Errorf("%s: %v", row.id, err)
				continue
			}
			if _, err := d.prepared(t).Verify(r, body, now); err != nil {
				t.Errorf("%s, line breaks as %s: %v", row.id, lineBreak, err)
			}
		}
	}
	for _, text := range []string{`-----BEGIN PUBLIC KEY-----\nAA\\nAA\n-----END PUBLIC KEY-----`, `-----BEGIN PUBLIC KEY-----\n`} {
		d := delivery{scheme: provider.SendGrid{Secrets: secret(text)}}
		if _, err := d.scheme.Prepare(d.completeSetup(t)); err == nil {
			t.Errorf("%s: accepted", text)
		}
	}
}

func TestSigningNeedsTheSendersKey(t *testing.T) {
	for _, row := range []struct{ id, text, want string }{
		{"sendgrid", "x", "must be a private key"},
		{"sendgrid", discordPrivate(t), "must be an ECDSA key"},
		{"discord", "x", "must be a private key"},
		{"discord", rsaPrivate(t), "must be an Ed25519 key"},
		{"aws-sns", "x", "must be a private key"},
		{"aws-sns", discordPrivate(t), "must be an RSA key"},
		{"paypal", "x", "must be a private key"},
		{"rfc9421", "x", "must be a shared secret"},
		{"rfc9421", file(t, "paypal.pem"), "must be a shared secret"},
		{"standardwebhooks", "whsk_AAAA", "must be 64 bytes"},
		{"standardwebhooks", "whsk_!", "must be base64"},
		{"standardwebhooks", "", "must not be empty"},
		{"github", "", "must not be empty"},
		{"contentful", "short", "must have 64"},
		{"adyen", "xyz", "must be hexadecimal"},
		{"mailgun", "", "must not be empty"},
		{"twilio", "", "must not be empty"},
	} {
		scheme, err := provider.New(row.id)
		if err != nil {
			t.Fatal(err)
		}
		r := delivery{}.request(t)
		if _, err := scheme.(webhook.Signer).Sign(r, []byte("{}"), now, webhook.NewSecret(row.text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.id, err, row.want)
		}
	}
	for _, id := range []string{"adyen", "mailgun", "prismic", "msgraph"} { // which carry the proof in the body
		scheme, _ := provider.New(id)
		signing, _, _ := scheme.(webhook.Signer).GenerateSecret()
		for _, body := range []string{"[]", "null", "text", "{"} {
			if _, err := scheme.(webhook.Signer).Sign(delivery{}.request(t), []byte(body), now, signing); err == nil {
				t.Errorf("%s signs %s", id, body)
			}
		}
	}
}
