package provider_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// wycheproof returns the lines of a file of test vectors, as words: see testdata/README.md. A word of base64 is decoded.
func wycheproof(tb testing.TB, name string) [][]string {
	tb.Helper()
	var lines [][]string
	for line := range strings.Lines(file(tb, "wycheproof/"+name)) {
		words := strings.Fields(line)
		for i := 1; i < len(words); i++ {
			if words[i] == "-" {
				words[i] = ""
				continue
			}
			text, err := base64.StdEncoding.DecodeString(words[i])
			if err != nil {
				tb.Fatal(err)
			}
			words[i] = string(text)
		}
		lines = append(lines, words)
	}
	return lines
}

func TestWycheproofHMAC(t *testing.T) {
	for name, hash := range map[string]crypto.Hash{
		"hmac_sha1.txt": crypto.SHA1, "hmac_sha256.txt": crypto.SHA256, "hmac_sha384.txt": crypto.SHA384, "hmac_sha512.txt": crypto.SHA512,
	} {
		for i, line := range wycheproof(t, name) {
			result, key, message, tag := line[0], line[1], line[2], line[3]
			d := delivery{
				scheme: provider.HMAC{
					Name: "wycheproof", Header: "X-Signature", Hash: hash, SecretFormat: provider.HexSecret,
					Secrets: secret(hex.EncodeToString([]byte(key))),
				},
				header: map[string]string{"X-Signature": hex.EncodeToString([]byte(tag))}, body: message,
			}
			v, err := d.scheme.Prepare(d.completeSetup(t))
			if key == "" {
				if err == nil {
					t.Errorf("%s, line %d: an empty key is accepted", name, i+1)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s, line %d: %v", name, i+1, err)
			}
			want := result == "valid" && len(tag) == hash.Size() // a hash that is cut short is no proof
			if _, err := v.Verify(d.request(t), []byte(d.body), now); (err == nil) != want {
				t.Errorf("%s, line %d: %s, %v", name, i+1, result, err)
			}
		}
	}
}

// The vectors' messages are digits: deliveries without a body, signed at that time.
func TestWycheproofSignatures(t *testing.T) {
	for _, row := range []struct {
		file   string
		scheme func(key string) webhook.Scheme
		header func(at, signature string) map[string]string
	}{
		{
			"ecdsa_p256.txt",
			func(key string) webhook.Scheme {
				return provider.SendGrid{Secrets: secret(base64.StdEncoding.EncodeToString([]byte(key)))}
			},
			func(at, signature string) map[string]string {
				return map[string]string{
					"X-Twilio-Email-Event-Webhook-Timestamp": at,
					"X-Twilio-Email-Event-Webhook-Signature": base64.StdEncoding.EncodeToString([]byte(signature)),
				}
			},
		},
		{
			"ed25519.txt",
			func(key string) webhook.Scheme {
				public, err := x509.ParsePKIXPublicKey([]byte(key))
				if err != nil {
					t.Fatal(err)
				}
				return provider.Discord{Secrets: secret(hex.EncodeToString(public.(ed25519.PublicKey)))}
			},
			func(at, signature string) map[string]string {
				return map[string]string{"X-Signature-Timestamp": at, "X-Signature-Ed25519": hex.EncodeToString([]byte(signature))}
			},
		},
	} {
		accepted := 0
		var d delivery
		for i, line := range wycheproof(t, row.file) {
			if line[0] == "key" {
				d.scheme = row.scheme(line[1])
				continue
			}
			at, err := strconv.ParseInt(line[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			d.header = row.header(line[1], line[2])
			_, err = d.prepared(t).Verify(d.request(t), nil, time.Unix(at, 0))
			if (err == nil) != (line[0] == "valid") {
				t.Errorf("%s, line %d: %s, %v", row.file, i+1, line[0], err)
			}
			if err == nil {
				accepted++
			}
		}
		if accepted == 0 {
			t.Errorf("%s: nothing is accepted", row.file)
		}
	}
}
