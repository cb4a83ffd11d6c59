package testsender

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some providers sign with HMAC-SHA1
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

// mac returns the HMAC of text under key.
func mac(h func() hash.Hash, key, text string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// hex256, base256 and hex1 are the three usual ways to write one.
func hex256(key, text string) string { return hex.EncodeToString(mac(sha256.New, key, text)) }

func base256(key, text string) string {
	return base64.StdEncoding.EncodeToString(mac(sha256.New, key, text))
}
func hex1(key, text string) string { return hex.EncodeToString(mac(sha1.New, key, text)) }

// texts are keys that both sides use as they are.
func texts(keys ...string) [3]Key {
	var list [3]Key
	for i := range list {
		list[i] = Key{keys[i], keys[i]}
	}
	return list
}

// plain are keys of 32 characters, which every provider with keys of text takes.
func plain() [3]Key {
	return texts("8f742231b10e8888abcd99yyyzzz85a5", "It's a Secret to Everybody 12345", "e6b19c573432dcc6b075501d51b51bb8")
}
