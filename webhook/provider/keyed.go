package provider

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" //nolint:gosec // some providers sign with HMAC-SHA1, and SNS with SHA-1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"sync"
)

// Encoding is how a keyed hash is written in a header field. Each has one spelling only: a text that decodes to the same
// bytes but is spelled otherwise (capital hexadecimal, other padding) does not match.
type Encoding uint8

// Encodings of a keyed hash.
const (
	Hex       Encoding = iota // lower case hexadecimal
	Base64                    // RFC 4648, section 4, with padding
	Base64URL                 // RFC 4648, section 5, without padding
	encodings
)

// encodedLen returns how long n bytes are in e.
func (e Encoding) encodedLen(n int) int {
	switch e {
	case Base64:
		return base64.StdEncoding.EncodedLen(n)
	case Base64URL:
		return base64.RawURLEncoding.EncodedLen(n)
	default:
		return hex.EncodedLen(n)
	}
}

// encode writes src to dst, which is long enough, and returns the text.
func (e Encoding) encode(dst, src []byte) []byte {
	dst = dst[:e.encodedLen(len(src))]
	switch e {
	case Base64:
		base64.StdEncoding.Encode(dst, src)
	case Base64URL:
		base64.RawURLEncoding.Encode(dst, src)
	default:
		hex.Encode(dst, src)
	}
	return dst
}

// plausible reports whether text could be a hash of n bytes in e. It tells a malformed signature from a wrong one, for the log.
func plausible[T ~string | ~[]byte](e Encoding, text T, n int) bool {
	var written, decoded [128]byte // of which a conversion and DecodeString would allocate
	if len(text) != e.encodedLen(n) || len(text) > len(written) {
		return false
	}
	var err error
	switch src := written[:copy(written[:], text)]; e {
	case Base64:
		_, err = base64.StdEncoding.Strict().Decode(decoded[:], src)
	case Base64URL:
		_, err = base64.RawURLEncoding.Strict().Decode(decoded[:], src)
	default:
		for _, c := range src {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return err == nil
}

// keyed computes HMACs (RFC 2104) under one key. The states are keyed once and then reused, so that a delivery costs neither the
// two blocks of the key nor an allocation: they are kept as a room is.
type keyed struct {
	index  int    // of the secret in the configured list
	id     string // name of the secret
	states sync.Pool
}

// state is one computation. Its arrays are here, and not on the stack, because what is passed to a [hash.Hash] escapes.
type state struct {
	hash hash.Hash
	buf  []byte    // what is signed beside the body
	sum  [64]byte  // the longest hash
	text [128]byte // the longest encoding of the longest hash
}

// scratch is how much of buf stringify fills before it is hashed.
const scratch = 4 << 10

func newKeyed(index int, id string, h crypto.Hash, key []byte) *keyed {
	k := &keyed{index: index, id: id}
	k.states.New = func() any {
		return &state{hash: hmac.New(h.New, key), buf: make([]byte, 0, 256)}
	}
	return k
}

// begin returns a state that has seen nothing. It is given back with end.
func (k *keyed) begin() *state {
	s, _ := k.states.Get().(*state) // which New alone makes
	s.hash.Reset()
	s.buf = s.buf[:0]
	return s
}

func (k *keyed) end(s *state) { k.states.Put(s) }

// flush hashes what is collected in buf.
func (s *state) flush() {
	if len(s.buf) > 0 {
		s.hash.Write(s.buf)
		s.buf = s.buf[:0]
	}
}

// encoded returns the hash of all that was written, valid until the state is given back.
func (s *state) encoded(e Encoding) []byte {
	s.flush()
	return e.encode(s.text[:], s.hash.Sum(s.sum[:0]))
}

// same is [subtle.ConstantTimeCompare] for texts: its time depends on their lengths alone. Texts as short as signatures are
// compared without the allocation that a conversion costs.
func same[A, B ~string | ~[]byte](a A, b B) bool {
	var left, right [128]byte
	if len(a) > len(left) || len(b) > len(right) {
		return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
	}
	return subtle.ConstantTimeCompare(left[:copy(left[:], a)], right[:copy(right[:], b)]) == 1
}

// mac returns the hash of text alone.
func (k *keyed) mac(e Encoding, text string) string {
	s := k.begin()
	defer k.end(s)
	s.buf = append(s.buf, text...)
	return string(s.encoded(e))
}
