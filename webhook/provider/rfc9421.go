package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// RFC9421 is the scheme of HTTP Message Signatures (RFC 9421), with the body signed through Content-Digest (RFC 9530).
//
// A signature covers what its sender chose, so the receiver says what it must cover: see Components. The body's digest is computed
// anew and compared. The algorithms are hmac-sha256, ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512 and
// rsa-v1_5-sha256; the key decides which may be used, and a parameter alg must agree. A signature must have created, and is refused
// after expires. Of several signatures one must do.
//
// @target-uri, @authority, @path and the like are those of the endpoint's public URL, which is therefore required, with the query as
// received. Fields are covered whole; the component parameters sf, key, bs, req and tr are not supported.
//
// ID is the parameter nonce, which is signed: deduplication goes by it, and without one by method, target and body. Tolerance of created:
// 5 minutes both ways.
type RFC9421 struct {
	// Secrets are the keys: shared secrets as base64 of at least 16 bytes, or public keys or certificates as PEM or base64 of DER. A key
	// that is Named is used only for signatures with that keyid; one without a name for any. Newest first; at least one is required.
	Secrets []webhook.Secret

	// Components are what a signature must cover, such as "@method" or "content-type". Zero means "@method", one of "@target-uri",
	// "@request-target" and "@path", and "content-digest" where there is a body.
	Components []string

	// Tag, where not empty, is the parameter tag that a signature must have: it tells one application's signatures from another's.
	Tag string

	// InsecureUnsignedBody accepts a signature that does not cover content-digest, although there is a body, where Components do not
	// name it. The body is then whatever someone made of it.
	InsecureUnsignedBody bool

	// Type says where a delivery carries its type. Zero means nowhere.
	Type Source

	rawSecrets bool // a secret that is neither base64 nor a public key is used as text
}

// Provider returns "rfc9421".
func (RFC9421) Provider() string { return "rfc9421" }

// signatureKey is a key that verifies HTTP message signatures.
type signatureKey struct {
	index  int
	id     string
	shared *keyed    // of hmac-sha256
	public publicKey // of the others
}

// Prepare returns a Verifier, or every mistake in s.
func (s RFC9421) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	requirePublicURL(setup, &c)
	v := &rfc9421Verifier{scheme: s, window: newWindow(setup, defaultTolerance), public: setup.PublicURL}
	v.scheme.Components = slices.Clone(s.Components)
	for i, secret := range secretsOf(setup, s.Secrets, &c) {
		key, rule := s.key(secret.Reveal())
		if rule != "" {
			c.Hidden(secretField(i), rule)
			continue
		}
		key.index, key.id = i, secret.ID()
		v.keys = append(v.keys, key)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// key reads a shared secret or a public key.
func (s RFC9421) key(text string) (k signatureKey, rule string) {
	if rule := checkSecret(strings.TrimRight(text, "\n")); rule != "" {
		return k, rule
	}
	if public, rule := parsePublicKey(text); rule == "" {
		k.public = public
		return k, ""
	} else if strings.Contains(text, "-----BEGIN") {
		return k, rule
	}
	key, rule := Base64Secret.decode(text, "")
	if rule != "" && s.rawSecrets {
		key, rule = []byte(text), ""
	}
	if rule == "" && len(key) < 16 {
		rule = "must have at least 16 bytes"
	}
	k.shared = newKeyed(0, "", crypto.SHA256, key)
	return k, rule
}

// rfc9421Verifier is RFC9421 made ready.
type rfc9421Verifier struct {
	scheme RFC9421
	keys   []signatureKey
	window window
	public *url.URL
}

// Contract returns what a sender may do: any method that can carry an event.
func (*rfc9421Verifier) Contract() webhook.Contract {
	return webhook.Contract{
		Methods:   []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet},
		Tolerance: defaultTolerance,
	}
}

// maxSignatures is how many signatures of one request are looked at.
const maxSignatures = 8

// Verify accepts a request when one of its signatures covers enough, is of a known key, and is fresh.
func (v *rfc9421Verifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	input, key, err := v.match(r, body)
	if err != nil {
		return webhook.Proof{}, err
	}
	sent, err := timeParam(input, "created")
	if err != nil {
		return webhook.Proof{}, err
	}
	if err := v.window.check(sent, now); err != nil {
		return webhook.Proof{}, err
	}
	if _, ok := input.Params.Get("expires"); ok {
		expires, err := timeParam(input, "expires")
		if err != nil {
			return webhook.Proof{}, err
		}
		if now.After(expires) && v.window != 0 {
			return webhook.Proof{}, fmt.Errorf("%w: the signature has expired", webhook.ErrTooOld)
		}
	}
	if !key.public.validAt(now) {
		return webhook.Proof{}, fmt.Errorf("%w: the certificate is not valid now", webhook.ErrSignature)
	}
	proof := webhook.Proof{Secret: key.index, KeyID: key.id, SentAt: sent}
	if id, ok := input.Params.Get("keyid"); ok && id.Kind == httpsig.String {
		proof.KeyID = id.Text
	}
	return proof, nil
}

// malformed is webhook.ErrSignatureFormat with what is wrong.
func malformed(err error) error { return fmt.Errorf("%w: %w", webhook.ErrSignatureFormat, err) }

// timeParam returns the time in a parameter, in whole seconds since 1970.
func timeParam(input httpsig.Member, name string) (time.Time, error) {
	value, ok := input.Params.Get(name)
	if !ok || value.Kind != httpsig.Integer || value.Num < 0 || value.Num > maxSeconds {
		return time.Time{}, fmt.Errorf("%w: parameter %s", webhook.ErrTimestamp, name)
	}
	return time.Unix(value.Num, 0), nil
}

// match returns the first signature that covers enough and verifies, whatever its time, and its key.
func (v *rfc9421Verifier) match(r *http.Request, body []byte) (httpsig.Member, signatureKey, error) {
	fail := func(err error) (httpsig.Member, signatureKey, error) { return httpsig.Member{}, signatureKey{}, err }
	if len(r.Header["Signature"]) == 0 || len(r.Header["Signature-Input"]) == 0 {
		return fail(fmt.Errorf("%w: no Signature or Signature-Input", webhook.ErrNoSignature))
	}
	inputs, err := httpsig.ParseDictionary(r.Header["Signature-Input"])
	if err != nil {
		return fail(malformed(err))
	}
	signatures, err := httpsig.ParseDictionary(r.Header["Signature"])
	if err != nil {
		return fail(malformed(err))
	}
	if len(inputs) > maxSignatures {
		return fail(fmt.Errorf("%w: more than %d signatures", webhook.ErrSignatureFormat, maxSignatures))
	}
	reason := fmt.Errorf("%w: no Signature of the same label as a Signature-Input", webhook.ErrSignatureFormat)
	for _, input := range inputs {
		at := slices.IndexFunc(signatures, func(m httpsig.Member) bool { return m.Key == input.Key })
		if at < 0 || !input.IsList || signatures[at].IsList || signatures[at].Item.Kind != httpsig.Bytes {
			continue
		}
		key, err := v.verifies(input, signatures[at].Item.Text, r, body)
		if err == nil {
			return input, key, nil
		}
		reason = err
	}
	return fail(reason)
}

// verifies returns the key by which signature is one of input.
func (v *rfc9421Verifier) verifies(input httpsig.Member, signature string, r *http.Request, body []byte) (signatureKey, error) {
	if err := v.covers(input, r, body); err != nil {
		return signatureKey{}, err
	}
	base, err := httpsig.Base(input, v.public, r, int64(len(body)))
	if err != nil {
		return signatureKey{}, malformed(err)
	}
	keyID, named := input.Params.Get("keyid")
	algorithm, _ := input.Params.Get("alg")
	for _, key := range v.keys {
		if key.id != "" && (!named || key.id != keyID.Text) {
			continue
		}
		if key.verify(algorithm.Text, base, []byte(signature)) {
			return key, nil
		}
	}
	return signatureKey{}, webhook.ErrSignature
}

// covers refuses a signature that leaves out what must be signed.
func (v *rfc9421Verifier) covers(input httpsig.Member, r *http.Request, body []byte) error {
	var covered []string
	for _, component := range input.List {
		if len(component.Params) == 0 {
			covered = append(covered, component.Item.Text)
		}
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(covered, name) })
	}
	if tag, _ := input.Params.Get("tag"); v.scheme.Tag != "" && tag.Text != v.scheme.Tag {
		return fmt.Errorf("%w: the signature has another tag", webhook.ErrSignatureFormat)
	}
	switch {
	case v.scheme.Components != nil:
		for _, name := range v.scheme.Components {
			if !has(name) {
				return fmt.Errorf("%w: the signature does not cover %s", webhook.ErrSignatureFormat, name)
			}
		}
	case !has("@method"):
		return fmt.Errorf("%w: the signature does not cover @method", webhook.ErrSignatureFormat)
	case !has("@target-uri", "@request-target", "@path"):
		return fmt.Errorf("%w: the signature covers neither @target-uri, @request-target nor @path", webhook.ErrSignatureFormat)
	}
	digest := r.Header["Content-Digest"]
	switch {
	case len(digest) > 0:
		if err := httpsig.CheckDigest(digest, body); errors.Is(err, httpsig.ErrDigest) {
			return fmt.Errorf("%w: %w", webhook.ErrSignature, err)
		} else if err != nil {
			return malformed(err)
		}
	case has("content-digest"):
		return fmt.Errorf("%w: no Content-Digest", webhook.ErrSignatureFormat)
	}
	if len(body) > 0 && !has("content-digest") && !v.scheme.InsecureUnsignedBody {
		return fmt.Errorf("%w: the signature does not cover content-digest", webhook.ErrSignatureFormat)
	}
	return nil
}

// verify reports whether signature is one of base by k and by algorithm, "" for the key's own.
func (k signatureKey) verify(algorithm string, base, signature []byte) bool {
	if k.shared != nil {
		s := k.shared.begin()
		defer k.shared.end(s)
		s.hash.Write(base)
		return (algorithm == "" || algorithm == "hmac-sha256") && same(s.hash.Sum(s.sum[:0]), signature)
	}
	return httpsig.Verify(k.public.key, algorithm, base, signature)
}

// Describe fills in what e says of itself. It looks only at the signature that verifies: another may say anything.
func (v *rfc9421Verifier) Describe(r *http.Request, e *webhook.Event) {
	i := identity{provider: "rfc9421", typ: v.scheme.Type}
	input, _, err := v.match(r, e.Body)
	if err != nil {
		return
	}
	for _, component := range input.List {
		if name := component.Item.Text; !strings.HasPrefix(name, "@") {
			i.signedHeaders = append(i.signedHeaders, canonical(name))
		}
	}
	i.bodySigned = slices.Contains(i.signedHeaders, "Content-Digest")
	i.Describe(r, e)
	if nonce, ok := input.Params.Get("nonce"); ok && nonce.Text != "" && len(nonce.Text) <= maxText {
		e.ID, e.IDSigned = nonce.Text, true
		e.Key = webhook.NewKey("rfc9421", []byte("nonce"), []byte(nonce.Text))
		return
	}
	e.Key = webhook.NewKey("rfc9421", []byte("content"), []byte(r.Method), []byte(r.URL.RequestURI()), e.Body)
}

// Sign signs r with created, a nonce and key's id: method, target, and where there is a body its digest and media type. key is a shared secret as base64, or
// a private key as PEM or base64 of DER.
func (s RFC9421) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	setMethod(r, (*rfc9421Verifier)(nil).Contract())
	input := httpsig.Member{Key: "sig1", IsList: true}
	cover := func(names ...string) {
		for _, name := range names {
			input.List = append(input.List, httpsig.ListItem{Item: httpsig.Item{Text: name}})
		}
	}
	cover("@method", "@target-uri")
	if len(body) > 0 {
		r.Header.Set("Content-Digest", httpsig.ContentDigest(body))
		cover("content-digest")
	}
	if r.Header.Get("Content-Type") != "" {
		cover("content-type")
	}
	for _, name := range s.Components {
		if !slices.ContainsFunc(input.List, func(c httpsig.ListItem) bool { return c.Item.Text == name }) {
			cover(name)
		}
	}
	input.Params = httpsig.Params{{Key: "created", Value: httpsig.Item{Kind: httpsig.Integer, Num: now.Unix()}}}
	if key.ID() != "" {
		input.Params = append(input.Params, httpsig.Param{Key: "keyid", Value: httpsig.Item{Text: key.ID()}})
	}
	input.Params = append(input.Params, httpsig.Param{Key: "nonce", Value: httpsig.Item{Text: rand.Text()}})
	if s.Tag != "" {
		input.Params = append(input.Params, httpsig.Param{Key: "tag", Value: httpsig.Item{Text: s.Tag}})
	}
	base, err := httpsig.Base(input, r.URL, r, int64(len(body)))
	if err != nil {
		return nil, malformed(err)
	}
	signature, err := s.signature(key, base)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Signature-Input", string(input.AppendList([]byte("sig1="))))
	r.Header.Set("Signature", string(httpsig.Item{Kind: httpsig.Bytes, Text: string(signature)}.AppendTo([]byte("sig1="))))
	return body, nil
}

// signature returns the signature of base by key.
func (s RFC9421) signature(key webhook.Secret, base []byte) ([]byte, error) {
	private, err := parsePrivateKey(key)
	if err != nil {
		shared, rule := s.key(key.Reveal())
		if rule != "" || shared.shared == nil {
			return nil, errors.New("provider: key must be a shared secret as base64 of at least 16 bytes, or a private key as PEM or base64 of DER")
		}
		st := shared.shared.begin()
		defer shared.shared.end(st)
		st.hash.Write(base)
		return st.hash.Sum(nil), nil
	}
	switch private := private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, base), nil
	case *rsa.PrivateKey:
		digest := sha512.Sum512(base)
		return rsa.SignPSS(rand.Reader, private, crypto.SHA512, digest[:], &rsa.PSSOptions{SaltLength: 64})
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(base)
		sum := digest[:]
		if private.Curve == elliptic.P384() {
			digest := sha512.Sum384(base)
			sum = digest[:]
		}
		r, s, err := ecdsa.Sign(rand.Reader, private, sum)
		if err != nil {
			return nil, fmt.Errorf("provider: %w", err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
	}
	return nil, errors.New("provider: key must be an RSA, ECDSA or Ed25519 key")
}

// GenerateSecret returns a new shared secret.
func (RFC9421) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	secret := webhook.NewSecret(base64.StdEncoding.EncodeToString(key[:]))
	return secret, secret, nil
}
