package security

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// APIKey is what a server stores of an API key: everything but the key. It may be kept in a database or a file, as JSON or by field.
type APIKey struct {
	// Prefix and ID are the parts of the key that are no secret: they tell whose key it is, in logs and to scanners of
	// leaked keys.
	Prefix string `json:"prefix"`
	ID     string `json:"id"`

	// Hash is the SHA-256 of the whole key in hexadecimal. A fast hash is right here, where it is not for passwords: a key has 160
	// random bits.
	Hash string `json:"hash"`

	// Principal is whose key it is. Several keys may have the same.
	Principal string `json:"principal"`

	// Scopes are what the key allows.
	Scopes []string `json:"scopes,omitempty"`

	// NotBefore and NotAfter bound when the key is taken, both included. Zero means no bound.
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
}

const (
	maxKeyPrefix    = 16
	keyIDLength     = 12 // characters of base32: 60 bits
	keySecretLength = 32 // 160 bits
	keyCheckLength  = 7  // CRC-32 of all before it, so that a mistyped or made-up key costs no look-up
)

// keyEncoding is base32 in lower case: it survives a double click, a URL and a case-insensitive store.
var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewAPIKey makes a key for principal and returns it, to be shown once to its owner, and what to store of it. The key reads
// "prefix_id_secret"; the prefix, 2 to 16 lower-case letters and digits such as "acme", is that of [APIKeysConfig].
//
// Set NotBefore and NotAfter on what it returns where the key is to be bounded in time.
func NewAPIKey(prefix, principal string, scopes ...string) (key string, stored APIKey, err error) {
	bad := invalid.Config{Package: "security"}
	if !isKeyPrefix(prefix) {
		bad.Field("prefix", prefix, "must be 2 to 16 lower-case letters and digits")
	}
	if principal == "" {
		bad.Hidden("principal", "must not be empty")
	}
	if err := bad.Err(); err != nil {
		return "", APIKey{}, err
	}
	random := make([]byte, 8+20)
	_, _ = rand.Read(random) // never fails: it ends the program instead
	id := keyEncoding.EncodeToString(random[:8])[:keyIDLength]
	body := prefix + "_" + id + "_" + keyEncoding.EncodeToString(random[8:])
	key = body + keyCheck(body)
	return key, APIKey{Prefix: prefix, ID: id, Hash: hashKey(key), Principal: principal, Scopes: slices.Clone(scopes)}, nil
}

// Rotate makes the successor of a stored key, for the same principal and scopes. key is the new key, to be shown once; next is what to
// store of it; old is k itself, which is now taken only until overlap has passed. Store both, and hand both to [APIKeys.Replace].
func (k APIKey) Rotate(overlap time.Duration) (key string, next, old APIKey, err error) {
	key, next, err = NewAPIKey(k.Prefix, k.Principal, k.Scopes...)
	old = k
	if end := time.Now().Add(overlap); old.NotAfter.IsZero() || end.Before(old.NotAfter) {
		old.NotAfter = end
	}
	return key, next, old, err
}

// String returns the parts that are no secret.
func (k APIKey) String() string { return k.Prefix + "_" + k.ID }

func (k APIKey) check(field, prefix string, bad *invalid.Config) {
	if k.Prefix != prefix {
		bad.Field(field+".Prefix", k.Prefix, "must be that of the set, "+prefix)
	}
	if len(k.ID) != keyIDLength || !isKeyText(k.ID) {
		bad.Field(field+".ID", k.ID, "must be 12 characters of lower-case base32")
	}
	if sum, err := hex.DecodeString(k.Hash); err != nil || len(sum) != sha256.Size {
		bad.Hidden(field+".Hash", "must be a SHA-256 in hexadecimal")
	}
	if k.Principal == "" {
		bad.Hidden(field+".Principal", "must not be empty")
	}
	if !k.NotAfter.IsZero() && k.NotAfter.Before(k.NotBefore) {
		bad.Field(field+".NotAfter", k.NotAfter.Format(time.RFC3339), "must not be before NotBefore")
	}
}

// parseKey returns the id in a key of this prefix, whether it has the prefix at all, and whether it is whole.
func parseKey(prefix, key string) (id string, prefixed, whole bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || rest == "" || rest[0] != '_' {
		return "", false, false
	}
	rest = rest[1:]
	if len(rest) != keyIDLength+1+keySecretLength+keyCheckLength || rest[keyIDLength] != '_' {
		return "", true, false
	}
	body, check := key[:len(key)-keyCheckLength], key[len(key)-keyCheckLength:]
	return rest[:keyIDLength], true, keyCheck(body) == check
}

func keyCheck(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var text [8]byte
	keyEncoding.Encode(text[:keyCheckLength], binary.BigEndian.AppendUint32(nil, sum))
	return string(text[:keyCheckLength])
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func isKeyPrefix(s string) bool {
	if len(s) < 2 || len(s) > maxKeyPrefix {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

func isKeyText(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Format prints String for every verb, so that not even the hash enters a log.
func (k APIKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, k.String()) }
