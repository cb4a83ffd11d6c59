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
func (m *Room) CheckDigest(lines []string, body []byte) error {
	if err := m.digests.Parse(lines); err != nil {
		return err
	}
	known := false
	for i := range m.digests.Members {
		d := &m.digests.Members[i]
		var right bool
		switch d.Key {
		case "sha-256":
			sum := sha256.Sum256(body)
			right = subtle.ConstantTimeCompare(d.Item.Bytes, sum[:]) == 1
		case "sha-512":
			sum := sha512.Sum512(body)
			right = subtle.ConstantTimeCompare(d.Item.Bytes, sum[:]) == 1
		default:
			continue
		}
		if !right { // which only a byte sequence can be
			return ErrDigest
		}
		known = true
	}
	if !known {
		return ErrNoDigest
	}
	return nil
}

// ContentDigest returns the Content-Digest of body, by SHA-256.
func ContentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return string(Item{Kind: Bytes, Bytes: sum[:]}.AppendTo([]byte("sha-256=")))
}
