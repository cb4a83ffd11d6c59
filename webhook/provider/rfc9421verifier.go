package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
	"github.com/gatehouse-go/gatehouse/webhook"
)

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
	if slices.ContainsFunc(inputs, func(m httpsig.Member) bool { return !m.IsList }) ||
		slices.ContainsFunc(signatures, func(m httpsig.Member) bool { return m.IsList || m.Item.Kind != httpsig.Bytes }) {
		return fail(fmt.Errorf("%w: a member of Signature-Input is no list, or one of Signature no byte sequence", webhook.ErrSignatureFormat))
	}
	reason := fmt.Errorf("%w: no Signature of the same label as a Signature-Input", webhook.ErrSignatureFormat)
	for _, input := range inputs {
		at := slices.IndexFunc(signatures, func(m httpsig.Member) bool { return m.Key == input.Key })
		if at < 0 {
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
		e.Key = webhook.NewKey("rfc9421", []byte("nonce"), []byte(e.Proof.KeyID), []byte(nonce.Text))
		return
	}
	e.Key = webhook.NewKey("rfc9421", []byte("content"), []byte(r.Method), []byte(r.URL.RequestURI()), e.Body,
		strconv.AppendInt(nil, e.SentAt.Unix(), 10))
}
