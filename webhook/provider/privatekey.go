package provider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// parsePrivateKey reads a private key for signing: PKCS #8, or PKCS #1 for RSA, or SEC 1 for ECDSA, as PEM or as base64 of its DER.
func parsePrivateKey(secret webhook.Secret) (crypto.PrivateKey, error) {
	text := secret.Reveal()
	var der []byte
	if block, _ := pem.Decode([]byte(unescapePEM(text))); block != nil {
		der = block.Bytes
	} else if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil {
		der = b
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("provider: key must be a private key (PKCS #8, PKCS #1 or SEC 1), as PEM or base64 of DER")
}

// derPair returns the DER of both halves of a key pair: PKCS #8 and PKIX.
func derPair(private crypto.Signer) (signing, verifying []byte, err error) {
	if signing, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return nil, nil, fmt.Errorf("provider: %w", err)
	}
	if verifying, err = x509.MarshalPKIXPublicKey(private.Public()); err != nil {
		return nil, nil, fmt.Errorf("provider: %w", err)
	}
	return signing, verifying, nil
}

// generateRSA returns a new RSA key pair, as PEM behind a line with label.
func generateRSA(label string) (signing, verifying webhook.Secret, err error) {
	key, err := rsa.GenerateKey(rand.Reader, minRSA)
	if err != nil {
		return signing, verifying, fmt.Errorf("provider: %w", err)
	}
	private, public, err := derPair(key)
	if err != nil {
		return signing, verifying, err
	}
	secret := func(kind string, der []byte) webhook.Secret {
		return webhook.NewSecret(label + "\n" + string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return secret("PRIVATE KEY", private), secret("PUBLIC KEY", public), nil
}

// rsaSigner returns the RSA key in secret.
func rsaSigner(secret webhook.Secret) (*rsa.PrivateKey, error) {
	private, err := parsePrivateKey(secret)
	if err != nil {
		return nil, err
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("provider: key must be an RSA key")
	}
	return key, nil
}
