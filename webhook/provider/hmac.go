package provider

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// HMAC describes a scheme that signs with a keyed hash (RFC 2104): what is hashed, and where the hash, the time and the
// names travel. Most providers of this package are one such value; write one yourself for a provider that is not listed:
//
//	provider.HMAC{
//		Name:            "acme",
//		Secrets:         []webhook.Secret{secret},
//		Header:          "X-Acme-Signature",
//		Prefix:          "sha256=",
//		Signed:          "{timestamp}.{body}",
//		TimestampHeader: "X-Acme-Timestamp",
//		EventType:       provider.Source{JSON: []string{"type"}},
//	}
//
// A signature that is repeated, shortened, or spelled another way than the provider spells it is refused, and so is a time
// outside the tolerance, before or after. Hashes are compared in constant time. Checking one delivery under the newest secret
// allocates nothing.
type HMAC struct {
	// Name is the provider's id: lower case letters, digits and hyphens. Required.
	Name string

	// Secrets are the shared secrets, newest first; more than one while a secret is being replaced. At least one is required.
	Secrets []webhook.Secret

	// SecretFormat is how Secrets are written. Zero means the text itself keys the hash.
	SecretFormat SecretFormat

	// SecretPrefix is taken off a secret that begins with it, such as "whsec_". Zero takes nothing off.
	SecretPrefix string

	// MinSecret is the least number of bytes of a decoded secret. Zero means 1.
	MinSecret int

	// Hash is the hash function. Zero means SHA-256.
	Hash crypto.Hash

	// Encoding is how the hash is written. Zero means lower case hexadecimal.
	Encoding Encoding

	// Signed is what is hashed: text with the placeholders {body}, {timestamp}, {id}, {method}, {header:Name}, {url} (the public URL as
	// configured), {target} (the public URL with the query of the request, which must begin with that of the public URL) and {field:name}
	// (another pair of Header). {json:body} and {json:field:name} are the same as JSON strings, escaped as JavaScript's JSON.stringify does. A
	// brace itself is written twice. {body} or {json:body} is required: what is not hashed can be replaced. Zero means "{body}".
	Signed string

	// Header is the header field that carries the signature. Required.
	Header string

	// Prefix stands before the hash, such as "sha256=" or "v1,". Zero means the hash stands alone. A signature with another prefix is
	// one of another version, and does not count.
	Prefix string

	// Separator, where not empty, separates several signatures in one field, any of which may match: providers sign with the old
	// and the new secret during rotation. With SignatureField it separates key=value pairs. Space around each is ignored.
	Separator string

	// SignatureField and TimestampField name the pairs that carry a signature and the time, as in "t=1614265330,v1=5257a8…". Zero
	// means that Header has no pairs. Several signatures may be given, and one time.
	SignatureField, TimestampField string

	// TimestampHeader is the header field of the signed time, where it has its own. TimestampJSON is its place in the
	// body instead, as in Source. Zero means there is none.
	TimestampHeader, TimestampJSON string

	// TimestampFormat is how the signed time is written. Zero means seconds since 1970.
	TimestampFormat TimeFormat

	// IDHeader is the header field of {id}. Required where Signed has {id}.
	IDHeader string

	// EventType and EventID say where a delivery carries its type and id. EventID is IDHeader where that is set and EventID is not.
	EventType, EventID Source

	// Contract is what the provider promises and expects. Its Tolerance bounds the signed time; zero means 5 minutes.
	Contract webhook.Contract

	layout        string              // how the provider writes Header, where Sign would put the pairs in another order or leave one out
	newSecret     string              // what stands before a generated secret and is part of it
	batch, beside []string            // see identity
	unique        bool                // see identity
	timeInKey     bool                // see identity
	decodeTarget  func([]byte) []byte // what the provider decodes in {target} before it signs
	forbidInID    string              // characters that {id} must not have, because they would move the borders of what is signed
}

// Provider returns s.Name.
func (s HMAC) Provider() string { return s.Name }

// Prepare returns a Verifier, or every mistake in s.
func (s HMAC) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	return orNil(s.prepare(setup))
}

func (s HMAC) prepare(setup webhook.Setup) (*hmacVerifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &hmacVerifier{HMAC: s.withDefaults()}
	v.check(&c)
	t, err := compile(v.Signed)
	if err != nil {
		c.Field("Signed", s.Signed, err.Error())
	}
	v.template = t
	v.checkTemplate(&c)
	if t.has(partURL) || t.has(partTarget) {
		v.url = requirePublicURL(setup, &c)
		v.url.decode = s.decodeTarget
	}
	if v.Hash.Available() {
		for i, secret := range secretsOf(setup, s.Secrets, &c) {
			key, rule := s.SecretFormat.decode(secret.Reveal(), s.SecretPrefix)
			if rule == "" && len(key) < s.MinSecret {
				rule = fmt.Sprintf("must have at least %d bytes", s.MinSecret)
			}
			if rule != "" {
				c.Hidden(secretField(i), rule)
				continue
			}
			v.keys = append(v.keys, newKeyed(i, secret.ID(), v.Hash, key))
		}
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	v.Secrets = nil // keyed: not needed again
	v.size = v.Hash.Size()
	v.window = newWindow(setup, v.HMAC.Contract.Tolerance)
	v.identity = identity{
		provider: s.Name, typ: v.EventType, id: v.EventID,
		bodySigned: true, signedHeaders: v.signedHeaders(),
		batch: s.batch, beside: s.beside, unique: s.unique, timeInKey: s.timeInKey,
	}
	return v, nil
}

// signedHeaders returns the canonical names of the header fields that the signature covers.
func (v *hmacVerifier) signedHeaders() []string {
	names := v.template.headers()
	if v.template.has(partID) {
		names = append(names, v.IDHeader)
	}
	if v.TimestampHeader != "" {
		names = append(names, v.TimestampHeader)
	}
	return names
}

// Sign signs r as the provider does. A time in the body (TimestampJSON) is the caller's to write.
func (s HMAC) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	v, err := s.prepare(webhook.Setup{PublicURL: r.URL, Secrets: []webhook.Secret{key}})
	if err != nil {
		return nil, err
	}
	in := values{url: v.url, request: r, body: body}
	if v.timed() && v.TimestampJSON == "" {
		in.timestamp = v.TimestampFormat.format(now)
	}
	layout := v.headerLayout()
	in.field, in.separator = layout, v.Separator
	if v.TimestampHeader != "" {
		r.Header.Set(v.TimestampHeader, in.timestamp)
	}
	setMethod(r, v.HMAC.Contract)
	if v.IDHeader != "" {
		if r.Header.Get(v.IDHeader) == "" {
			r.Header.Set(v.IDHeader, "msg_"+rand.Text())
		}
		in.id = r.Header.Get(v.IDHeader)
	}
	st := v.keys[0].begin()
	defer v.keys[0].end(st)
	if err := v.template.hash(st, &in); err != nil {
		return nil, err
	}
	r.Header.Set(v.Header, strings.NewReplacer("{signature}", string(st.encoded(v.Encoding)), "{timestamp}", in.timestamp).Replace(layout))
	return body, nil
}

// headerLayout returns how Sign writes Header.
func (s HMAC) headerLayout() string {
	if s.layout != "" {
		return s.layout
	}
	layout := s.Prefix + "{signature}"
	if s.SignatureField != "" {
		layout = s.SignatureField + "=" + layout
	}
	if s.TimestampField != "" {
		layout = s.TimestampField + "={timestamp}" + s.Separator + layout
	}
	return layout
}

// setMethod sets r's method to the first that the provider uses, unless it is one of them.
func setMethod(r *http.Request, c webhook.Contract) {
	methods := c.Methods
	if methods == nil {
		methods = []string{http.MethodPost}
	}
	if !slices.Contains(methods, r.Method) {
		r.Method = methods[0]
	}
}

// GenerateSecret returns a new secret of 32 random bytes in the provider's format. One secret does both.
func (s HMAC) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	text := hex.EncodeToString(key[:])
	if s.SecretFormat == Base64Secret {
		text = base64.StdEncoding.EncodeToString(key[:])
	}
	secret := webhook.NewSecret(s.SecretPrefix + s.newSecret + text)
	return secret, secret, nil
}
