package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// signatureKey is a key that verifies HTTP message signatures.
type signatureKey struct {
	index  int
	id     string
	shared *keyed    // of hmac-sha256
	public publicKey // of the others
}

// key reads a shared secret or a public key.
func (s RFC9421) key(text string) (k signatureKey, rule string) {
	if rule := checkSecret(strings.TrimRight(text, "\n")); rule != "" {
		return k, rule
	}
	if public, rule := parsePublicKey(text); rule == "" {
		k.public = public
		return k, ""
	} else if strings.Contains(text, pemBegin) {
		return k, rule
	}
	key, rule := Base64Secret.decode(text, "")
	if rule != "" && s.rawSecrets {
		key, rule = []byte(text), ""
	}
	if rule == "" && len(key) < 16 {
		rule = "must have at least 16 bytes"
	}
	k.shared = newKeyed(0, "", crypto.SHA256, key)
	return k, rule
}

// verify reports whether signature is one of base by k and by algorithm, "" for the key's own.
func (k *signatureKey) verify(algorithm string, base, signature []byte) bool {
	if k.shared != nil {
		s := k.shared.begin()
		defer k.shared.end(s)
		s.hash.Write(base)
		return (algorithm == "" || algorithm == "hmac-sha256") && same(s.hash.Sum(s.sum[:0]), signature)
	}
	return httpsig.Verify(k.public.key, algorithm, base, signature)
}

// signature returns the signature of base by key.
func (s RFC9421) signature(key webhook.Secret, base []byte) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err != nil {
		shared, rule := s.key(key.Reveal())
		if rule != "" || shared.shared == nil {
			return nil, errors.New("provider: key must be a shared secret as base64 of at least 16 bytes, or a private key as PEM or base64 of DER")
		}
		st := shared.shared.begin()
		defer shared.shared.end(st)
		st.hash.Write(base)
		return st.hash.Sum(nil), nil
	}
	switch private := private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, base), nil
	case *rsa.PrivateKey:
		digest := sha512.Sum512(base)
		return rsa.SignPSS(rand.Reader, private, crypto.SHA512, digest[:], &rsa.PSSOptions{SaltLength: 64})
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(base)
		sum := digest[:]
		if private.Curve == elliptic.P384() {
			digest := sha512.Sum384(base)
			sum = digest[:]
		}
		r, s, err := ecdsa.Sign(rand.Reader, private, sum)
		if err != nil {
			return nil, fmt.Errorf("provider: %w", err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
	}
	return nil, errors.New("provider: key must be an RSA, ECDSA or Ed25519 key")
}
