// Package signature is a scheme of security.Access for HTTP Message Signatures (RFC 9421), with bodies signed through Content-Digest
// (RFC 9530).
//
//	signed, err := signature.New(signature.Config{Key: func(ctx context.Context, id string) (signature.Key, error) {
//		return clients.Key(ctx, id) // the client's public key, and who it is
//	}})
//	if err != nil {
//		return err
//	}
//	access, err := security.NewAccess(security.AccessConfig{Schemes: []security.Scheme{signed}})
package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
	"github.com/gatehouse-go/gatehouse/security"
)

// Key is a key of one client.
type Key struct {
	// Public verifies ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512 and rsa-v1_5-sha256: an ed25519.PublicKey, an
	// *ecdsa.PublicKey on P-256 or P-384, or an *rsa.PublicKey of 2048 bits or more. Nil where Secret is the key.
	Public crypto.PublicKey

	// Secret verifies hmac-sha256. It has at least 16 bytes. Nil where Public is the key.
	Secret []byte

	// Principal is whose key it is.
	Principal security.Principal
}

// Config says which signatures are taken. Key is required.
type Config struct {
	// Key returns the key of an id. Its error wraps [security.ErrCredentials] where there is none; another error means that it could not be
	// looked up. The id is at most 256 bytes long. Required.
	Key func(ctx context.Context, id string) (Key, error)

	// Components are fields and derived components that a signature must cover besides those it must always: "@method", "@authority",
	// "@path", "@query" where there is a query (or "@target-uri" for the three), and "content-digest" where there is a body.
	Components []string

	// Tag, where not empty, is the parameter tag that a signature must have. It tells one application's signatures from another's.
	Tag string

	// BehindTLS declares that this server is reached only through a front that speaks TLS to clients, so that the scheme that they
	// signed is https.
	BehindTLS bool

	// MaxAge is how long after its creation a signature is taken. Zero means 5 minutes. It may also have been made up to 30 seconds in the
	// future, for clocks that differ.
	MaxAge time.Duration

	// Fresh, if not nil, says whether a nonce is used for the first time, and remembers it until then: a signature must then have
	// one, and is taken once. Nil means that the same request may come again within MaxAge.
	Fresh func(ctx context.Context, keyID, nonce string, until time.Time) (bool, error)

	// MaxBody bounds the body, which is read whole to be compared with its digest. Zero means 1 MiB.
	MaxBody int64
}

// Scheme is a [security.Scheme] of HTTP Message Signatures. It is safe for concurrent use.
//
// A signature covers what its sender chose, so the scheme says what it must cover. The body is read and compared before the request is
// let in, and then given to the handler from memory. Fields are covered whole: the component parameters sf, key, bs, req and tr are not
// supported.
type Scheme struct {
	config Config
	rooms  httpsig.Rooms
}

const (
	maxSignatures = 4
	maxText       = 256 // bytes of a key's id and of a nonce
	skew          = 30 * time.Second
)

// New returns a Scheme, or every mistake in c.
func New(c Config) (*Scheme, error) {
	bad := invalid.Config{Package: "signature"}
	if c.Key == nil {
		bad.Hidden("Config.Key", "must not be nil")
	}
	for i, name := range c.Components {
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, "\"\\;, ") {
			bad.Field("Config.Components["+strconv.Itoa(i)+"]", name, "must be a field name in lower case or a derived component")
		}
	}
	if c.MaxAge < 0 || c.MaxAge > 24*time.Hour {
		bad.Field("Config.MaxAge", c.MaxAge, "must be 0 to 24h0m0s")
	}
	if c.MaxBody < 0 {
		bad.Field("Config.MaxBody", c.MaxBody, "must not be negative")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.MaxAge == 0 {
		c.MaxAge = 5 * time.Minute
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	c.Components = slices.Clone(c.Components)
	return &Scheme{config: c}, nil
}

// Claim reports whether r is signed. Signatures cannot be guessed, so it names nobody.
func (*Scheme) Claim(r *http.Request) (name string, ok bool) {
	return "", len(r.Header["Signature-Input"]) > 0 || len(r.Header["Signature"]) > 0
}

// Challenge names the scheme "Signature": RFC 9421 has no name for it, and a 401 must have a challenge.
func (*Scheme) Challenge(reason error, _ []string) string {
	if errors.Is(reason, security.ErrScope) {
		return ""
	}
	return `Signature realm="api"`
}

// Authenticate returns the principal of the first signature of r that covers enough, is of a known key and is fresh. It replaces the
// body of r by one in memory.
func (s *Scheme) Authenticate(r *http.Request) (security.Principal, error) {
	room := s.rooms.Begin()
	defer s.rooms.End(room)
	if err := room.Inputs.Parse(r.Header["Signature-Input"]); err != nil {
		return security.Principal{}, wrong("Signature-Input: " + err.Error())
	}
	if err := room.Signatures.Parse(r.Header["Signature"]); err != nil {
		return security.Principal{}, wrong("Signature: " + err.Error())
	}
	inputs := room.Inputs.Members
	var reason error
	for i := range inputs[:min(len(inputs), maxSignatures)] {
		input := &inputs[i]
		signature := room.Signatures.Get(input.Key)
		if signature == nil || !input.IsList || signature.IsList || signature.Item.Kind != httpsig.Bytes {
			continue
		}
		p, err := s.verify(r, room, input, signature.Item.Bytes)
		if err == nil || !errors.Is(err, security.ErrCredentials) {
			return p, err
		}
		reason = err
	}
	if reason == nil {
		reason = wrong("no Signature of the same label as a Signature-Input")
	}
	return security.Principal{}, reason
}

// verify judges one signature: what costs least first, and the body and the nonce only of what is signed by a known key.
func (s *Scheme) verify(r *http.Request, room *httpsig.Room, input *httpsig.Member, signature []byte) (security.Principal, error) {
	hasBody := !reqbody.Empty(r)
	if err := s.covers(r, input, hasBody); err != nil {
		return security.Principal{}, err
	}
	until, err := s.fresh(input)
	if err != nil {
		return security.Principal{}, err
	}
	id, ok := text(input, "keyid")
	if !ok || id == "" {
		return security.Principal{}, wrong("the signature has no keyid of up to 256 bytes")
	}
	target := httpsig.NewTarget(s.url(r))
	base, err := room.Base(input, httpsig.Request{Request: r, Target: &target, Length: r.ContentLength})
	if err != nil {
		return security.Principal{}, wrong(err.Error())
	}
	key, err := s.config.Key(r.Context(), id)
	if err != nil {
		return security.Principal{}, err
	}
	algorithm, _ := text(input, "alg")
	if !key.verify(algorithm, base, signature) {
		return security.Principal{}, wrong("the signature is not by the key " + strconv.Quote(id))
	}
	if err := s.digest(r, room, hasBody); err != nil {
		return security.Principal{}, err
	}
	if err := s.once(r, input, id, until); err != nil {
		return security.Principal{}, err
	}
	p := key.Principal
	if p.ID == "" {
		return security.Principal{}, errors.New("signature: Config.Key returned a principal without an ID")
	}
	if p.Scheme == "" {
		p.Scheme = "signature"
	}
	if p.KeyID == "" {
		p.KeyID = id
	}
	return p, nil
}

// covers refuses a signature that leaves out what must be signed.
func (s *Scheme) covers(r *http.Request, input *httpsig.Member, hasBody bool) error {
	need := append([]string{"@method"}, s.config.Components...)
	if !input.Covers("@target-uri") {
		need = append(need, "@authority")
		if !input.Covers("@request-target") {
			need = append(need, "@path")
			if r.URL.RawQuery != "" || r.URL.ForceQuery {
				need = append(need, "@query")
			}
		}
	}
	if hasBody || len(r.Header["Content-Digest"]) > 0 {
		need = append(need, "content-digest")
	}
	for _, name := range need {
		if !input.Covers(name) {
			return wrong("the signature does not cover " + name)
		}
	}
	if tag, _ := text(input, "tag"); s.config.Tag != "" && tag != s.config.Tag {
		return wrong("the signature has another tag")
	}
	return nil
}

// fresh judges the times of a signature, and returns until when it will be taken.
func (s *Scheme) fresh(input *httpsig.Member) (until time.Time, err error) {
	created, ok := seconds(input, "created")
	if !ok {
		return time.Time{}, wrong("the signature has no created")
	}
	now := time.Now()
	until = created.Add(s.config.MaxAge)
	if _, has := input.Params.Get("expires"); has {
		expires, ok := seconds(input, "expires")
		if !ok {
			return time.Time{}, wrong("the signature's expires is no time")
		}
		if expires.Before(until) {
			until = expires
		}
	}
	switch {
	case created.After(now.Add(skew)):
		return time.Time{}, wrong("the signature was made in the future")
	case !now.Before(until):
		return time.Time{}, wrong("the signature is too old")
	}
	return until, nil
}

// digest reads the body, compares it with the digest that is signed, and puts it back.
func (s *Scheme) digest(r *http.Request, room *httpsig.Room, hasBody bool) error {
	lines := r.Header["Content-Digest"]
	if !hasBody {
		if len(lines) > 0 && room.CheckDigest(lines, nil) != nil {
			return wrong("the Content-Digest is not that of an empty body")
		}
		return nil
	}
	if r.ContentLength > s.config.MaxBody {
		return security.ErrBodyTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, s.config.MaxBody+1))
	if err != nil {
		return err
	}
	if int64(len(body)) > s.config.MaxBody {
		return security.ErrBodyTooLarge
	}
	if err := room.CheckDigest(lines, body); err != nil {
		return wrong(err.Error())
	}
	r.Body = &readBody{Reader: bytes.NewReader(body), Closer: r.Body}
	return nil
}

// readBody is a body that was read, and whose connection is closed as before.
type readBody struct {
	io.Reader
	io.Closer
}

// once asks whether the nonce is used for the first time.
func (s *Scheme) once(r *http.Request, input *httpsig.Member, id string, until time.Time) error {
	if s.config.Fresh == nil {
		return nil
	}
	nonce, ok := text(input, "nonce")
	if !ok || nonce == "" {
		return wrong("the signature has no nonce of up to 256 bytes")
	}
	first, err := s.config.Fresh(r.Context(), id, nonce, until)
	if err != nil {
		return err
	}
	if !first {
		return wrong("the signature was used before")
	}
	return nil
}

// url is the URL of r as its sender wrote it, but for the query.
func (s *Scheme) url(r *http.Request) *url.URL {
	scheme := "http"
	if r.TLS != nil || s.config.BehindTLS {
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
}

// verify reports whether signature is one of base by k. A key that is too weak, or is none, verifies nothing.
func (k Key) verify(algorithm string, base, signature []byte) bool {
	if k.Public == nil {
		if len(k.Secret) < 16 || algorithm != "" && algorithm != "hmac-sha256" {
			return false
		}
		mac := hmac.New(sha256.New, k.Secret)
		mac.Write(base)
		return hmac.Equal(mac.Sum(nil), signature)
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if public.N == nil || public.N.BitLen() < 2048 {
			return false
		}
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() && public.Curve != elliptic.P384() {
			return false
		}
	case ed25519.PublicKey:
	default:
		return false
	}
	return len(k.Secret) == 0 && httpsig.Verify(k.Public, algorithm, base, signature)
}

// text returns a parameter that is a string of bounded length.
func text(input *httpsig.Member, name string) (string, bool) {
	v, ok := input.Params.Get(name)
	if !ok || v.Kind != httpsig.String || len(v.Text) > maxText {
		return "", false
	}
	return v.Text, true
}

// seconds returns a parameter that is a time in whole seconds since 1970.
func seconds(input *httpsig.Member, name string) (time.Time, bool) {
	v, ok := input.Params.Get(name)
	if !ok || v.Kind != httpsig.Integer || v.Num < 0 || v.Num > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(v.Num, 0), true
}

// wrong is security.ErrCredentials with why, for the log.
func wrong(why string) error { return fmt.Errorf("%w: %s", security.ErrCredentials, why) }
