package provider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

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
	reason := webhook.ErrSignature
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
