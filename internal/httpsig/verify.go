package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
)

// Verify reports whether signature is one of base by a public key and an algorithm (RFC 9421, section 3.3), "" for the key's own:
// ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512 or rsa-v1_5-sha256. A key of another kind verifies nothing.
func Verify(key crypto.PublicKey, algorithm string, base, signature []byte) bool {
	is := func(name string) bool { return algorithm == "" || algorithm == name }
	switch key := key.(type) {
	case ed25519.PublicKey:
		return is("ed25519") && len(key) == ed25519.PublicKeySize && len(signature) == ed25519.SignatureSize && ed25519.Verify(key, base, signature)
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			digest := sha256.Sum256(base)
			return is("ecdsa-p256-sha256") && verifyECDSA(key, digest[:], signature)
		case elliptic.P384():
			digest := sha512.Sum384(base)
			return is("ecdsa-p384-sha384") && verifyECDSA(key, digest[:], signature)
		}
	case *rsa.PublicKey:
		if is("rsa-pss-sha512") {
			digest := sha512.Sum512(base)
			if rsa.VerifyPSS(key, crypto.SHA512, digest[:], signature, &rsa.PSSOptions{SaltLength: 64}) == nil {
				return true
			}
		}
		digest := sha256.Sum256(base)
		return is("rsa-v1_5-sha256") && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

// verifyECDSA verifies a signature that is r and s in a row (section 3.3.4).
func verifyECDSA(key *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	return ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:]))
}
