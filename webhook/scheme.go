package webhook

import (
	"net/http"
	"net/url"
	"time"
)

// A Scheme says how one provider signs its deliveries and what it expects of a receiver. The values in package provider are
// schemes; an application may bring its own.
//
// A Scheme is configuration: a plain struct, copied by value, that does nothing until Prepare. provider.New(id, secrets...) makes one
// from the provider's id.
type Scheme interface {
	// Provider returns the provider's id, such as "github": lower case letters, digits and hyphens.
	Provider() string

	// Prepare checks the scheme's own fields and s, and returns the Verifier that works with them. The error joins every mistake; a
	// secret that is empty, too short or malformed is one. No error text has a secret in it.
	//
	// Prepare is called by New and again by each SetSecrets. It does not reach over the network.
	Prepare(s Setup) (Verifier, error)
}

// Setup is what the endpoint knows and a Scheme may need.
type Setup struct {
	// PublicURL is the URL at which the provider delivers, as configured there: what providers sign that sign the URL. It is nil where
	// the application gave none, which such a Scheme refuses. The Host and X-Forwarded fields of a request never stand in for it.
	PublicURL *url.URL

	// Secrets, where not nil, replaces the scheme's own secrets: newest first.
	Secrets []Secret

	// Tolerance is how far a signed time may lie from the receiver's clock, before or after. Zero means the provider's own.
	Tolerance time.Duration

	// InsecureAnyAge accepts any signed time. A captured delivery then stays valid for ever.
	InsecureAnyAge bool

	// Client makes the scheme's own requests, for certificates and confirmations. It is never nil, follows no redirect and keeps no cookies.
	// Its errors repeat the URL: a scheme whose URLs have secrets in them takes the [url.Error] off.
	Client *http.Client
}

// A Verifier is a Scheme made ready. It may also be a [Handshaker] and a [Confirmer]. It is safe for use by many goroutines at once.
type Verifier interface {
	// Contract returns what the provider promises and expects. It returns the same each time.
	Contract() Contract

	// Verify decides whether the provider sent r with exactly these body bytes, at the receiver's time now. It reads
	// no more of the body than the signature covers or carries, and parses nothing that it can verify first; r.Body is not touched.
	// The error is, or wraps, one of the package's reasons. Schemes with a keyed hash allocate nothing when they accept a
	// delivery, of whatever size and shape; HTTP message signatures are the exception.
	Verify(r *http.Request, body []byte, now time.Time) (Proof, error)

	// Describe fills in what a verified delivery says of itself: Type, TypeSigned, ID, IDSigned, SignedHeaders, Key, and SentAt where
	// Verify could not give it. It leaves alone what it cannot read: a payload in an unknown shape is still a verified delivery.
	//
	// Key decides what counts as the same event: see [Event]. The other fields are already filled in.
	Describe(r *http.Request, e *Event)
}

// Proof says with what a delivery was verified.
type Proof struct {
	Secret int       // index of the secret that matched, 0 being the newest; see Secret
	KeyID  string    // the matching secret's name, or the key id that the delivery names; empty where there is none
	SentAt time.Time // the time that the signature covers; zero where it covers none
}

// A Handshaker is a Verifier whose provider proves ownership of the endpoint by requests that it does not sign.
type Handshaker interface {
	// Handshake is asked before verification, with every request whose method is one of the Contract's. A nil Reply and a nil error
	// mean that r is no handshake: it is then verified, or refused when its method is in HandshakeMethods alone.
	// It decides only; the Handler writes the Reply. It must not echo input that the provider could not have sent.
	Handshake(r *http.Request, body []byte) (*Reply, error)
}

// A Confirmer is a Verifier whose provider also signs deliveries that are no events: a challenge, a ping, a subscription to confirm.
type Confirmer interface {
	// Confirm is asked after verification, with every delivery. A nil Reply and a nil error mean that e is an event.
	// It may send requests through Setup.Client, bounded by r's context.
	Confirm(r *http.Request, e *Event) (*Reply, error)
}

// Contract is what a provider promises to send and expects to be answered. Its slices are never changed.
type Contract struct {
	Methods          []string // methods of deliveries; nil means POST alone
	HandshakeMethods []string // methods, beside Methods, that only a handshake uses, such as GET or OPTIONS
	MediaTypes       []string // media types of deliveries, in lower case without parameters; nil means any
	ContentEncodings []string // content codings that the provider sends, beside identity, in lower case; the coded bytes are verified

	// Accepted answers an event that was handled, now or before. Its zero value means 200 without a body.
	Accepted Reply

	// IgnoreForged, where true, answers a delivery that fails verification as if it was accepted: WebSub asks for it. It is not handled.
	IgnoreForged bool

	AckTimeout  time.Duration // how long the provider waits for an answer; zero means unknown
	RetryWindow time.Duration // from a delivery's first attempt to its last; zero means unknown
	Tolerance   time.Duration // the provider's own bound on the age of a signed time; zero where it signs none

	// SecretHeaders and SecretQuery name header fields and query parameters that carry a secret itself. They do not reach the Event.
	SecretHeaders []string
	SecretQuery   []string
}

// Reply is an answer to a handshake or to an event. The Handler bounds it and sends it so that no browser reads it as a document.
type Reply struct {
	Status int         // 200 to 299; zero means 200
	Body   []byte      // at most 8 KiB; nil sends none
	JSON   bool        // Body is application/json; otherwise it is text/plain; charset=utf-8
	Header http.Header // further fields, such as Webhook-Allowed-Origin; not those that frame or describe the body
}

// A Signer is a Scheme that can also sign as its provider does, for tests and for sending deliveries by hand.
type Signer interface {
	Scheme

	// Sign turns r into the delivery of body that the provider would send at now. It sets r's method, header and query as the provider
	// does, and returns the bytes to send: body itself unless the provider puts the signature into it. It does not set r.Body, and
	// keeps header fields and a method that are set already where the provider leaves them free (an event name, an id).
	//
	// key is the sending side's: for a keyed hash or a token the receiver's secret too, for a public key scheme the private key.
	// The URL of r is the one the provider was given. Where a scheme signs the URL, it signs r.URL.
	Sign(r *http.Request, body []byte, now time.Time, key Secret) ([]byte, error)

	// GenerateSecret returns a new pair in the provider's format: signing for Sign, verifying for the receiver's Secrets.
	// They are equal where one secret does both.
	GenerateSecret() (signing, verifying Secret, err error)
}
