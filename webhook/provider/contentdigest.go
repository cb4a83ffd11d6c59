package provider

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// checkDigest compares body with the Content-Digest field (RFC 9530). Every digest by an algorithm that is still considered secure
// (sha-256, sha-512) must be the body's, and there must be one; others are ignored.
func checkDigest(lines []string, body []byte) error {
	digests, err := parseDictionary(lines)
	if err != nil {
		return err
	}
	known := false
	for _, d := range digests {
		var sum []byte
		switch d.key {
		case "sha-256":
			s := sha256.Sum256(body)
			sum = s[:]
		case "sha-512":
			s := sha512.Sum512(body)
			sum = s[:]
		default:
			continue
		}
		known = true
		if d.isList || d.item.kind != sfBytes || !same(d.item.text, sum) {
			return fmt.Errorf("%w: Content-Digest is not that of the body", webhook.ErrSignature)
		}
	}
	if !known {
		return fmt.Errorf("%w: no sha-256 or sha-512 in Content-Digest", webhook.ErrSignatureFormat)
	}
	return nil
}

// contentDigest returns the Content-Digest of body, by SHA-256.
func contentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return string(sfItem{kind: sfBytes, text: string(sum[:])}.appendTo([]byte("sha-256=")))
}
