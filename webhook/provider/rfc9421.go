package provider

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
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
// after expires. Of several signatures the first that covers enough and verifies counts. Checking one under hmac-sha256 allocates nothing.
//
// @target-uri, @authority, @path and the like are those of the endpoint's public URL, which is therefore required, with the query as
// received. Where @path alone is covered the query is not, and Event.Query anyone's: demand @query, or @target-uri, where it matters. Fields
// are covered whole; the component parameters sf, key, bs, req and tr are not supported.
//
// ID is the parameter nonce, which is signed: deduplication goes by it and the signature's keyid, because a nonce is unique for its sender
// alone; without one by method, target, body and created. Tolerance of created: 5 minutes both ways.
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

// Prepare returns a Verifier, or every mistake in s.
func (s RFC9421) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	requirePublicURL(setup, &c)
	v := &rfc9421Verifier{scheme: s, window: newWindow(setup, defaultTolerance)}
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
	v.target = httpsig.NewTarget(setup.PublicURL)
	return v, nil
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
	target := httpsig.NewTarget(r.URL)
	base, err := new(httpsig.Room).Base(&input, httpsig.Request{Request: r, Target: &target, Length: int64(len(body))})
	if err != nil {
		return nil, malformed(err)
	}
	signature, err := s.signature(key, base)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Signature-Input", string(input.AppendList([]byte("sig1="))))
	r.Header.Set("Signature", string(httpsig.Item{Kind: httpsig.Bytes, Bytes: signature}.AppendTo([]byte("sig1="))))
	return body, nil
}

// GenerateSecret returns a new shared secret.
func (RFC9421) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	secret := webhook.NewSecret(base64.StdEncoding.EncodeToString(key[:]))
	return secret, secret, nil
}
