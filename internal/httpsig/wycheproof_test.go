package httpsig_test

import (
	"crypto/x509"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

func TestWycheproofVectors(t *testing.T) {
	decode := func(word string) []byte {
		if word == "-" {
			return nil
		}
		text, err := base64.StdEncoding.DecodeString(word)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, algorithm := range []string{"ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256"} {
		text, err := os.ReadFile("testdata/wycheproof/" + algorithm + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		var key any
		accepted := 0
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			words := strings.Fields(line)
			if words[0] == "key" {
				if key, err = x509.ParsePKIXPublicKey(decode(words[1])); err != nil {
					t.Fatalf("%s, line %d: %v", algorithm, i+1, err)
				}
				continue
			}
			got := httpsig.Verify(key, algorithm, decode(words[1]), decode(words[2]))
			if got != (words[0] == "valid") { // "acceptable" is what a strict reader refuses
				t.Errorf("%s, line %d: %s, %v", algorithm, i+1, words[0], got)
			}
			if got {
				accepted++
			}
			for _, other := range []string{"hmac-sha256", "none", "rsa-pss-sha256"} {
				if httpsig.Verify(key, other, decode(words[1]), decode(words[2])) {
					t.Errorf("%s, line %d: accepted as %s", algorithm, i+1, other)
				}
			}
		}
		if accepted == 0 {
			t.Errorf("%s: nothing is accepted", algorithm)
		}
	}
}
