package callback

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Keyring seals small values that a browser keeps for the server: it encrypts and authenticates them, so that a browser can neither
// read nor change them. Make one with [NewKeyring]; it is safe for concurrent use, and prints no key.
//
// The cipher is AES-256-GCM with random nonces, under a key derived by HKDF-SHA256 (RFC 5869). One key should seal no more than 2^32
// values (NIST SP 800-38D, section 8.3): at a hundred each second that is more than a year, after which a new key is due anyway.
//
// What is sealed is 33 bytes longer than the value, then a third longer again as base64url text: 500 bytes become 711 characters.
type Keyring struct {
	keys    []sealingKey // the first seals, all open
	scratch sync.Pool    // of *scratch
}

// scratch is room to work in, so that sealing and opening allocate only what they return. Nothing secret stays in it.
type scratch struct {
	ad   []byte // associated data
	text []byte // what is being sealed: first as bytes, then as text behind them
}

// maxScratch is how many bytes of scratch are kept for later; what a cookie can hold needs less.
const maxScratch = 16 << 10

func (k *Keyring) work() *scratch {
	if s, ok := k.scratch.Get().(*scratch); ok {
		return s
	}
	return &scratch{}
}

func (k *Keyring) rest(s *scratch) {
	if cap(s.text)+cap(s.ad) <= maxScratch {
		k.scratch.Put(s)
	}
}

type sealingKey struct {
	id     byte
	shared bool        // an older key of the ring has the same id
	aead   cipher.AEAD // which makes its nonces, and puts them in front
}

// A sealed value is, in base64url: the key's id, a nonce, and as ciphertext the time it expires (Unix seconds, until the year 2106) and
// the value, and the tag.
const (
	minKeySize = 32
	aesKeySize = 32
	keyIDSize  = 1
	expirySize = 4
	gcmExtra   = 12 + 16 // nonce and tag
	sealExtra  = keyIDSize + gcmExtra + expirySize
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
	for i := range k.keys { // ids are short: two keys may have the same by chance
		older := k.keys[i+1:]
		k.keys[i].shared = slices.ContainsFunc(older, func(o sealingKey) bool { return o.id == k.keys[i].id })
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
	okm, err := hkdf.Key(sha256.New, secret, nil, "gatehouse callback keyring AES-256-GCM", aesKeySize+keyIDSize)
	if err == nil {
		key.id = okm[aesKeySize]
		var block cipher.Block
		if block, err = aes.NewCipher(okm[:aesKeySize]); err == nil {
			key.aead, err = cipher.NewGCMWithRandomNonce(block)
		}
	}
	if err != nil {
		panic(err) // the lengths are constants that HKDF and the cipher accept
	}
	return key
}

// Seal returns value sealed as text that is safe in a cookie and in a URL. It opens only for the same purpose and name, until expires,
// which is cut to whole seconds. Purpose says what the value is for ("session"); name is where it is kept (the cookie's name). Both
// are authenticated, not contained.
func (k *Keyring) Seal(purpose, name string, value []byte, expires time.Time) string {
	w := k.work()
	defer k.rest(w)
	w.ad = appendAD(w.ad[:0], purpose, name)
	size := sealExtra + len(value)
	b := slices.Grow(w.text[:0], size+base64.RawURLEncoding.EncodedLen(size))

	key := &k.keys[0]
	b = append(b, key.id)
	plain := binary.BigEndian.AppendUint32(b[keyIDSize:], uint32(min(max(0, expires.Unix()), math.MaxUint32)))
	plain = append(plain, value...)
	b = key.aead.Seal(b, nil, plain, w.ad) //nolint:gosec // no nonce is given: the cipher makes one
	w.text = base64.RawURLEncoding.AppendEncode(b, b)
	return string(w.text[len(b):])
}

// Open returns the value that Seal sealed for purpose and name, and when it expires. The error is [ErrSealInvalid] for text that
// no key of the ring sealed for that use, and [ErrSealExpired] when only its time has passed; the value is then returned too, for
// the caller that can say what has expired.
func (k *Keyring) Open(purpose, name, sealed string) (value []byte, expires time.Time, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(b) < sealExtra || len(sealed) != base64.RawURLEncoding.EncodedLen(len(b)) { // a decoder skips newlines
		return nil, time.Time{}, ErrSealInvalid
	}
	w := k.work()
	defer k.rest(w)
	w.ad = appendAD(w.ad[:0], purpose, name)
	for i := range k.keys {
		key := &k.keys[i]
		if key.id != b[0] {
			continue
		}
		box := b[keyIDSize:]
		if key.shared {
			box = slices.Clone(box) // what does not open is wiped, and the next key has to try
		}
		plain, err := key.aead.Open(box[:0], nil, box, w.ad)
		if err != nil {
			continue
		}
		expires = time.Unix(int64(binary.BigEndian.Uint32(plain)), 0)
		if !time.Now().Before(expires) {
			return plain[expirySize:], expires, ErrSealExpired
		}
		return plain[expirySize:], expires, nil
	}
	return nil, time.Time{}, ErrSealInvalid
}

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
