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
	// configured), {target} (the public URL with the query of the request) and {field:name} (another pair of Header). {json:body} and
	// {json:field:name} are the same as JSON strings, escaped as JavaScript's JSON.stringify does. A brace itself is written twice.
	// {body} or {json:body} is required: what is not hashed can be replaced. Zero means "{body}".
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

// orNil returns v as a Verifier, and nil itself in case of an error.
func orNil(v *hmacVerifier, err error) (webhook.Verifier, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
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

// withDefaults fills in what is zero and writes header names as net/http keeps them.
func (s HMAC) withDefaults() HMAC {
	if s.Hash == 0 {
		s.Hash = crypto.SHA256
	}
	if s.Signed == "" {
		s.Signed = "{body}"
	}
	if s.timed() && s.Contract.Tolerance == 0 {
		s.Contract.Tolerance = defaultTolerance
	}
	if s.IDHeader != "" && s.EventID.Header == "" && s.EventID.JSON == nil {
		s.EventID.Header = s.IDHeader
	}
	s.EventType, s.EventID = s.EventType.clone(), s.EventID.clone()
	s.Contract.Methods, s.Contract.HandshakeMethods = slices.Clone(s.Contract.Methods), slices.Clone(s.Contract.HandshakeMethods)
	s.Contract.MediaTypes, s.Contract.ContentEncodings = slices.Clone(s.Contract.MediaTypes), slices.Clone(s.Contract.ContentEncodings)
	s.Contract.SecretHeaders, s.Contract.SecretQuery = slices.Clone(s.Contract.SecretHeaders), slices.Clone(s.Contract.SecretQuery)
	s.Header, s.TimestampHeader, s.IDHeader = canonical(s.Header), canonical(s.TimestampHeader), canonical(s.IDHeader)
	return s
}

// timed reports whether deliveries carry a signed time.
func (s HMAC) timed() bool {
	return s.TimestampHeader != "" || s.TimestampField != "" || s.TimestampJSON != ""
}

func (s HMAC) check(c *invalid.Config) {
	if !validID(s.Name) {
		c.Field("Name", s.Name, "must be lower case letters, digits and hyphens")
	}
	if !validField(s.Header) {
		c.Field("Header", s.Header, "must be a header field")
	}
	for _, f := range []struct{ field, name string }{{"TimestampHeader", s.TimestampHeader}, {"IDHeader", s.IDHeader}} {
		if f.name != "" && !validField(f.name) {
			c.Field(f.field, f.name, "must be a header field")
		}
	}
	if !s.Hash.Available() {
		c.Field("Hash", uint(s.Hash), "must be an available crypto.Hash, such as crypto.SHA256")
	}
	if s.Encoding >= encodings {
		c.Field("Encoding", s.Encoding, "must be Hex, Base64 or Base64URL")
	}
	if s.SecretFormat >= secretFormats {
		c.Field("SecretFormat", s.SecretFormat, "must be RawSecret, HexSecret or Base64Secret")
	}
	if s.TimestampFormat >= timeFormats {
		c.Field("TimestampFormat", s.TimestampFormat, "must be UnixSeconds, UnixMillis or RFC3339")
	}
	if (s.SignatureField != "" || s.TimestampField != "") && s.Separator == "" {
		c.Hidden("Separator", "must be given with SignatureField and TimestampField")
	}
	if s.TimestampField != "" && s.SignatureField == "" {
		c.Hidden("SignatureField", "must be given with TimestampField")
	}
	if s.Contract.Tolerance < 0 {
		c.Field("Contract.Tolerance", s.Contract.Tolerance, "must not be negative")
	}
}

// checkTemplate looks for what would be accepted without being signed.
func (v *hmacVerifier) checkTemplate(c *invalid.Config) {
	t := v.template
	if t == nil {
		return
	}
	if !t.has(partBody) && !t.has(partBodyJSON) {
		c.Field("Signed", v.Signed, "must have {body}: a body that is not hashed can be replaced")
	}
	sources := 0
	for _, s := range []string{v.TimestampHeader, v.TimestampField, v.TimestampJSON} {
		if s != "" {
			sources++
		}
	}
	switch {
	case sources > 1:
		c.Hidden("TimestampHeader", "must be the only one of TimestampHeader, TimestampField and TimestampJSON")
	case sources == 0 && t.has(partTimestamp):
		c.Hidden("TimestampHeader", "must be given, or TimestampField: Signed has {timestamp}")
	case (v.TimestampHeader != "" || v.TimestampField != "") && !t.has(partTimestamp):
		c.Field("Signed", v.Signed, "must have {timestamp}: a time that is not hashed can be replaced")
	}
	if t.has(partID) && v.IDHeader == "" {
		c.Hidden("IDHeader", "must be given: Signed has {id}")
	}
	if (t.has(partField) || t.has(partFieldJSON)) && v.SignatureField == "" {
		c.Hidden("SignatureField", "must be given: Signed has {field:…}")
	}
	if v.IDHeader != "" && !t.has(partID) {
		c.Field("Signed", v.Signed, "must have {id}; an id that is not hashed belongs in EventID")
	}
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

// validID reports whether id can be a provider's id.
func validID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return id != ""
}

// hmacVerifier is an HMAC made ready.
type hmacVerifier struct {
	HMAC
	identity

	template template
	keys     []*keyed
	size     int // of the hash
	url      publicURL
	window   window
}

// Contract returns what the provider promises and expects.
func (v *hmacVerifier) Contract() webhook.Contract { return v.HMAC.Contract }

// Verify checks the signature first and the time it covers after, so that "too old" in a log is a true delivery that was late or replayed.
func (v *hmacVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	field, err := only(r.Header, v.Header)
	if err != nil {
		return webhook.Proof{}, err
	}
	in := values{url: v.url, request: r, body: body}
	if err := v.read(&in, field); err != nil {
		return webhook.Proof{}, err
	}
	in.field, in.separator = field, v.Separator
	key, err := v.match(&in, field)
	if err != nil {
		return webhook.Proof{}, err
	}
	return v.timely(webhook.Proof{Secret: key.index, KeyID: key.id}, &in, now)
}

// timely completes proof with the signed time, which must lie within the tolerance.
func (v *hmacVerifier) timely(proof webhook.Proof, in *values, now time.Time) (webhook.Proof, error) {
	if !v.timed() {
		return proof, nil
	}
	var err error
	if v.TimestampJSON != "" {
		proof.SentAt, err = v.TimestampFormat.parseRaw(raw(in.body, v.TimestampJSON))
	} else {
		proof.SentAt, err = v.TimestampFormat.parse(in.timestamp)
	}
	if err != nil {
		return webhook.Proof{}, err
	}
	if err := v.window.check(proof.SentAt, now); err != nil {
		return webhook.Proof{}, err
	}
	return proof, nil
}

// read takes the signed values beside the body from the header.
func (v *hmacVerifier) read(in *values, field string) error {
	var err error
	switch {
	case v.TimestampHeader != "":
		if in.timestamp, err = only(in.request.Header, v.TimestampHeader); err != nil {
			return fmt.Errorf("%w: %s", webhook.ErrTimestamp, v.TimestampHeader)
		}
	case v.TimestampField != "":
		if in.timestamp, err = v.timestampIn(field); err != nil {
			return err
		}
	}
	if v.IDHeader != "" {
		if in.id, err = only(in.request.Header, v.IDHeader); err != nil {
			return err
		}
		if v.forbidInID != "" && strings.ContainsAny(in.id, v.forbidInID) {
			return fmt.Errorf("%w: %s has a character that separates what is signed", webhook.ErrSignatureFormat, v.IDHeader)
		}
	}
	return nil
}

// timestampIn returns the one time among the pairs of the signature header.
func (v *hmacVerifier) timestampIn(field string) (string, error) {
	value, err := pair(field, v.Separator, v.TimestampField)
	if err == nil && value == "" {
		err = fmt.Errorf("%w: no %s in %s", webhook.ErrTimestamp, v.TimestampField, v.Header)
	}
	return value, err
}

// candidate takes the next signature off rest: what stands behind the prefix. ok is false for a part that is no signature of
// this version.
func (v *hmacVerifier) candidate(rest string) (text, remaining string, ok bool) {
	text = rest
	if v.Separator != "" {
		text, remaining, _ = strings.Cut(rest, v.Separator)
		text = strings.TrimSpace(text)
	}
	if v.SignatureField != "" {
		name, value, found := strings.Cut(text, "=")
		if !found || name != v.SignatureField {
			return "", remaining, false
		}
		text = value
	}
	text, ok = strings.CutPrefix(text, v.Prefix)
	return text, remaining, ok
}

// match returns the first secret that gives one of the signatures in field.
func (v *hmacVerifier) match(in *values, field string) (*keyed, error) {
	for _, key := range v.keys {
		s := key.begin()
		err := v.template.hash(s, in)
		if err != nil {
			key.end(s)
			return nil, err
		}
		want := s.encoded(v.Encoding)
		matched := false
		for rest := field; rest != "" && !matched; {
			text, remaining, ok := v.candidate(rest)
			matched = ok && same(text, want)
			rest = remaining
		}
		key.end(s)
		if matched {
			return key, nil
		}
	}
	return nil, v.mismatch(field)
}

// mismatch says why no signature in field matched.
func (v *hmacVerifier) mismatch(field string) error {
	for rest := field; rest != ""; {
		text, remaining, ok := v.candidate(rest)
		if ok && v.Encoding.plausible(text, v.size) {
			return webhook.ErrSignature
		}
		rest = remaining
	}
	return fmt.Errorf("%w: no signature of the expected version, encoding and length in %s", webhook.ErrSignatureFormat, v.Header)
}

// Sign signs r as the provider does. A time in the body (TimestampJSON) is the caller's to write.
func (s HMAC) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	v, err := s.prepare(webhook.Setup{PublicURL: r.URL, Secrets: []webhook.Secret{key}})
	if err != nil {
		return nil, err
	}
	in := values{url: v.url, request: r, body: body}
	if v.timed() && v.TimestampJSON == "" {
		in.timestamp = string(v.TimestampFormat.appendTo(nil, now))
	}
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
	field := v.Prefix + string(st.encoded(v.Encoding))
	if v.SignatureField != "" {
		field = v.SignatureField + "=" + field
	}
	if v.TimestampField != "" {
		field = v.TimestampField + "=" + in.timestamp + v.Separator + field
	}
	r.Header.Set(v.Header, field)
	return body, nil
}

// setMethod sets r's method to the first that the provider uses, unless it is one of them.
func setMethod(r *http.Request, c webhook.Contract) {
	methods := c.Methods
	if methods == nil {
		methods = []string{http.MethodPost}
	}
	for _, m := range methods {
		if r.Method == m {
			return
		}
	}
	r.Method = methods[0]
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
