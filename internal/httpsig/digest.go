package httpsig

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
)

// Reasons for which CheckDigest refuses a body.
var (
	ErrDigest   = errors.New("the Content-Digest is not that of the body")
	ErrNoDigest = errors.New("no sha-256 or sha-512 in Content-Digest")
)

// CheckDigest compares body with the Content-Digest field (RFC 9530). Every digest by an algorithm that is still considered secure
// (sha-256, sha-512) must be the body's, and there must be one; others are ignored.
func CheckDigest(lines []string, body []byte) error {
	digests, err := ParseDictionary(lines)
	if err != nil {
		return err
	}
	known := false
	for _, d := range digests {
		var sum []byte
		switch d.Key {
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
		if d.IsList || d.Item.Kind != Bytes || subtle.ConstantTimeCompare([]byte(d.Item.Text), sum) != 1 {
			return ErrDigest
		}
	}
	if !known {
		return ErrNoDigest
	}
	return nil
}

// ContentDigest returns the Content-Digest of body, by SHA-256.
func ContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return string(Item{Kind: Bytes, Text: string(sum[:])}.AppendTo([]byte("sha-256=")))
}
