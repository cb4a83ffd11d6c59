package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"
)

// publicKey is a key that deliveries are verified with, and how long it may be.
type publicKey struct {
	index int
	id    string
	key   crypto.PublicKey

	// notBefore and notAfter bound the use of a key that comes in a certificate; both are zero for a bare key.
	notBefore, notAfter time.Time
}

// validAt reports whether k may be used at t.
func (k publicKey) validAt(t time.Time) bool {
	return k.notAfter.IsZero() || !t.Before(k.notBefore) && !t.After(k.notAfter)
}

// parsePublicKey reads a public key (PKIX, or PKCS #1 for RSA) or an X.509 certificate, as PEM or as base64 of its DER. The rule is
// what text breaks. Of several PEM blocks the first is taken: in a chain, the leaf. Line breaks of a PEM may be written as \n.
func parsePublicKey(text string) (k publicKey, rule string) {
	if text == "" {
		return k, "must not be empty"
	}
	der, rule := derOf(text)
	if rule != "" {
		return k, rule
	}
	if cert, err := x509.ParseCertificate(der); err == nil {
		k = publicKey{key: cert.PublicKey, notBefore: cert.NotBefore, notAfter: cert.NotAfter}
	} else if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		k.key = key
	} else if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		k.key = key
	} else {
		return k, "must hold a public key or an X.509 certificate"
	}
	return k, checkPublicKey(k.key)
}

// derOf returns the DER in text.
func derOf(text string) (der []byte, rule string) {
	if strings.Contains(text, pemBegin) {
		block, _ := pem.Decode([]byte(unescapePEM(text)))
		if block == nil {
			return nil, "must be well-formed PEM"
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, "must be a public key: the private one is the sender's"
		}
		return block.Bytes, ""
	}
	der, err := decodeBase64(text)
	if err != nil {
		return nil, "must be PEM, or base64 of DER"
	}
	return der, ""
}

// minRSA is the least size in bits of an RSA key that is used.
const minRSA = 2048

// checkPublicKey returns the rule that key breaks.
func checkPublicKey(key crypto.PublicKey) (rule string) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return "must be an RSA key of at least 2048 bits"
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() {
			return "must be an ECDSA key on P-256 or P-384"
		}
	case ed25519.PublicKey:
	default:
		return "must be an RSA, ECDSA or Ed25519 key"
	}
	return ""
}

const pemBegin = "-----BEGIN"

// unescapePEM returns a text that has a PEM with its line breaks as such: environment files and consoles of hosters keep them as the two
// characters \n, and a backslash has no other meaning in a PEM.
func unescapePEM(text string) string {
	if !strings.Contains(text, pemBegin) {
		return text
	}
	return strings.NewReplacer(`\r`, "", `\n`, "\n").Replace(text)
}

// splitPEM splits text into what stands before its PEM and the PEM; all of it is label where it has none.
func splitPEM(text string) (label, block string) {
	text = unescapePEM(text)
	begin := strings.Index(text, pemBegin)
	if begin < 0 {
		return text, ""
	}
	return strings.TrimSpace(text[:begin]), text[begin:]
}
