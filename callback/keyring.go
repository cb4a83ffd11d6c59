package callback

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Keyring seals small values that a browser keeps for the server: it encrypts and authenticates them, so that a browser can neither
// read nor change them. Make one with [NewKeyring]; it is immutable and safe for concurrent use, and prints no key.
//
// The cipher is XChaCha20-Poly1305 under a key derived by HKDF-SHA256 (RFC 5869). Its 192-bit random nonces need no bound
// on how many values one key seals.
type Keyring struct {
	keys []sealingKey // the first seals, all open
}

type sealingKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

const (
	minKeySize = 32
	keyIDSize  = 4
	expirySize = 8
	sealStart  = keyIDSize + chacha20poly1305.NonceSizeX // where the ciphertext begins
	sealExtra  = sealStart + expirySize + chacha20poly1305.Overhead
)

// NewKeyring returns a Keyring that seals with newest and opens what newest or any of older sealed. Each key is at least 32
// secret bytes from a cryptographic random source, such as the output of "openssl rand 32"; a passphrase is not a key.
//
// To rotate, put a new key in front and keep the old ones until the longest lifetime of anything sealed has passed. Every mistake
// is reported at once.
func NewKeyring(newest []byte, older ...[]byte) (*Keyring, error) {
	c := invalid.Config{Package: "callback"}
	k := &Keyring{}
	seen := map[string]bool{}
	for i, secret := range append([][]byte{newest}, older...) {
		field := "newest key"
		if i > 0 {
			field = fmt.Sprintf("older[%d] key", i-1)
		}
		switch {
		case len(secret) < minKeySize:
			c.Hidden(field, "must have at least 32 bytes")
		case uniform(secret):
			c.Hidden(field, "must be random, and is one byte repeated")
		case seen[string(secret)]:
			c.Hidden(field, "must not repeat another key")
		default:
			k.keys = append(k.keys, newSealingKey(secret))
		}
		seen[string(secret)] = true
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return k, nil
}

func uniform(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return true
}

func newSealingKey(secret []byte) sealingKey {
	var key sealingKey
	okm, err := hkdf.Key(sha256.New, secret, nil, "gatehouse callback keyring 1", chacha20poly1305.KeySize+keyIDSize)
	if err == nil {
		copy(key.id[:], okm[chacha20poly1305.KeySize:])
		key.aead, err = chacha20poly1305.NewX(okm[:chacha20poly1305.KeySize])
	}
	if err != nil {
		panic(err) // both lengths are constants that HKDF and the cipher accept
	}
	return key
}

// Seal returns value sealed as text that is safe in a cookie and in a URL. It opens only for the same purpose and name, until expires.
// Purpose says what the value is for ("session"); name is where it is kept (the cookie's name). Both are authenticated, not contained.
func (k *Keyring) Seal(purpose, name string, value []byte, expires time.Time) string {
	key := &k.keys[0]
	b := make([]byte, sealStart, sealExtra+len(value))
	copy(b, key.id[:])
	nonce := b[keyIDSize:sealStart]
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	plain := binary.BigEndian.AppendUint64(b, uint64(max(0, expires.Unix())))[sealStart:]
	plain = append(plain, value...)
	var scratch [adSize]byte
	b = key.aead.Seal(b, nonce, plain, appendAD(scratch[:0], purpose, name))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Open returns the value that Seal sealed for purpose and name, and when it expires. The error is [ErrSealInvalid] for text that
// no key of the ring sealed for that use, and [ErrSealExpired] when only its time has passed; the value is then returned too, for
// the caller that can say what has expired.
func (k *Keyring) Open(purpose, name, sealed string) (value []byte, expires time.Time, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(b) < sealExtra || len(sealed) != base64.RawURLEncoding.EncodedLen(len(b)) { // a decoder skips newlines
		return nil, time.Time{}, ErrSealInvalid
	}
	var scratch [adSize]byte
	ad := appendAD(scratch[:0], purpose, name)
	for i := range k.keys {
		key := &k.keys[i]
		if string(key.id[:]) != string(b[:keyIDSize]) {
			continue
		}
		plain, err := key.aead.Open(nil, b[keyIDSize:sealStart], b[sealStart:], ad)
		if err != nil {
			continue // two keys may share an id by chance
		}
		expires = time.Unix(int64(binary.BigEndian.Uint64(plain)&(1<<62-1)), 0)
		if !time.Now().Before(expires) {
			return plain[expirySize:], expires, ErrSealExpired
		}
		return plain[expirySize:], expires, nil
	}
	return nil, time.Time{}, ErrSealInvalid
}

// adSize has room for the associated data of usual names; longer ones cost an allocation.
const adSize = 128

// appendAD appends purpose and name so that no two pairs give the same bytes.
func appendAD(b []byte, purpose, name string) []byte {
	b = binary.AppendUvarint(b, uint64(len(purpose)))
	b = append(b, purpose...)
	return append(b, name...)
}

// Format prints how many keys there are, whatever the verb.
func (k *Keyring) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, fmt.Sprintf("callback.Keyring(%d keys)", len(k.keys)))
}
