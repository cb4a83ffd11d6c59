package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"
)

// An Event is one verified delivery. Copying it copies no payload: treat Header, Query and Body as read only.
//
// What the signature covers can be trusted; the rest of the request can be replaced by whoever captured one delivery. The Signed
// fields say which is which.
type Event struct {
	Provider string // id of the provider, such as "stripe"

	Type       string // such as "invoice.paid"; empty where the provider names none
	TypeSigned bool   // Type is covered by the signature

	ID       string // the provider's id of the event, the same for each attempt; empty where there is none
	IDSigned bool   // ID is covered by the signature

	SentAt     time.Time // when the provider says it sent this attempt; zero where it does not say it in the signed part
	ReceivedAt time.Time // when this receiver got it

	Method        string      // method of the request
	Query         url.Values  // query of the request, nil when empty, without parameters that carry a secret
	Header        http.Header // header as received, NOT covered by the signature but for SignedHeaders; without fields that carry a secret
	SignedHeaders []string    // canonical names of the header fields that the signature covers

	// Body is the exact bytes received and verified. Decode reads them.
	Body []byte

	// Proof says which secret matched. It never holds the secret.
	Proof Proof

	// Key is the same for two deliveries exactly when they are one event, as far as what is signed can tell. Deduplication goes by it.
	//
	// It is a digest of the provider and of the signed id; where the id is unsigned or absent, of the signed content
	// that the provider repeats in each attempt: by default the body. A signed time that changes with each attempt is not
	// part of it. Where a provider's scheme decides otherwise, its doc comment says how and why.
	Key Key

	// Repeatable says that nothing tells a repeat from an event of its own: each delivery is handled, and Key is not used. A scheme
	// sets it where nothing is signed and nothing is an id; it holds as well where there is neither a signed id nor a body.
	Repeatable bool
}

// identify fills in Key by the rule of its comment, unless the scheme did so or found the event repeatable.
func (e *Event) identify() {
	switch {
	case e.Repeatable || e.Key != Key{}:
	case e.IDSigned && e.ID != "":
		e.Key = NewKey(e.Provider, []byte("id"), []byte(e.ID))
	case len(e.Body) > 0:
		e.Key = NewKey(e.Provider, []byte("body"), e.Body)
	default:
		e.Repeatable = true
	}
}

// A Key identifies an event for deduplication: a SHA-256 digest.
type Key [sha256.Size]byte

// NewKey returns the digest of provider and parts. Each part enters with its length, so that no two lists of parts give one input.
func NewKey(provider string, parts ...[]byte) Key {
	h := sha256.New()
	var size [8]byte
	write := func(b []byte) {
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
	write([]byte(provider))
	for _, p := range parts {
		write(p)
	}
	var k Key
	h.Sum(k[:0])
	return k
}

// String returns k in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }
