package provider

import (
	"errors"
	"fmt"
	"net/http"
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
	target httpsig.Target
	rooms  httpsig.Rooms
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
	room := v.rooms.Begin()
	defer v.rooms.End(room)
	input, key, err := v.match(room, r, body)
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
func timeParam(input *httpsig.Member, name string) (time.Time, error) {
	value, ok := input.Params.Get(name)
	if !ok || value.Kind != httpsig.Integer || value.Num < 0 || value.Num > maxSeconds {
		return time.Time{}, fmt.Errorf("%w: parameter %s", webhook.ErrTimestamp, name)
	}
	return time.Unix(value.Num, 0), nil
}

// match returns the first signature that covers enough and verifies, whatever its time, and its key.
func (v *rfc9421Verifier) match(room *httpsig.Room, r *http.Request, body []byte) (*httpsig.Member, *signatureKey, error) {
	if err := readSignatures(room, r.Header); err != nil {
		return nil, nil, err
	}
	var reason error
	for i := range room.Inputs.Members {
		input := &room.Inputs.Members[i]
		signature := room.Signatures.Get(input.Key)
		if signature == nil {
			continue
		}
		key, err := v.verifies(room, input, signature.Item.Bytes, r, body)
		if err == nil {
			return input, key, nil
		}
		reason = err
	}
	if reason == nil {
		reason = fmt.Errorf("%w: no Signature of the same label as a Signature-Input", webhook.ErrSignatureFormat)
	}
	return nil, nil, reason
}

// readSignatures reads Signature-Input and Signature into room.
func readSignatures(room *httpsig.Room, h http.Header) error {
	if len(h["Signature"]) == 0 || len(h["Signature-Input"]) == 0 {
		return fmt.Errorf("%w: no Signature or Signature-Input", webhook.ErrNoSignature)
	}
	if err := room.Inputs.Parse(h["Signature-Input"]); err != nil {
		return malformed(err)
	}
	if err := room.Signatures.Parse(h["Signature"]); err != nil {
		return malformed(err)
	}
	if len(room.Inputs.Members) > maxSignatures {
		return fmt.Errorf("%w: more than %d signatures", webhook.ErrSignatureFormat, maxSignatures)
	}
	for i := range room.Inputs.Members {
		if !room.Inputs.Members[i].IsList {
			return fmt.Errorf("%w: a member of Signature-Input is no list", webhook.ErrSignatureFormat)
		}
	}
	for i := range room.Signatures.Members {
		if m := &room.Signatures.Members[i]; m.IsList || m.Item.Kind != httpsig.Bytes {
			return fmt.Errorf("%w: a member of Signature is no byte sequence", webhook.ErrSignatureFormat)
		}
	}
	return nil
}

// verifies returns the key by which signature is one of input. The body, which is the longest, is read last.
func (v *rfc9421Verifier) verifies(room *httpsig.Room, input *httpsig.Member, signature []byte, r *http.Request, body []byte) (*signatureKey, error) {
	if err := v.covers(input, body); err != nil {
		return nil, err
	}
	base, err := room.Base(input, httpsig.Request{Request: r, Target: &v.target, Length: int64(len(body))})
	if err != nil {
		return nil, malformed(err)
	}
	key := v.keyOf(input, base, signature)
	if key == nil {
		return nil, webhook.ErrSignature
	}
	if digest := r.Header["Content-Digest"]; len(digest) > 0 {
		if err := room.CheckDigest(digest, body); errors.Is(err, httpsig.ErrDigest) {
			return nil, fmt.Errorf("%w: %w", webhook.ErrSignature, err)
		} else if err != nil {
			return nil, malformed(err)
		}
	}
	return key, nil
}

// keyOf returns the key that made signature of base, or nil.
func (v *rfc9421Verifier) keyOf(input *httpsig.Member, base, signature []byte) *signatureKey {
	keyID, named := input.Params.Get("keyid")
	algorithm, _ := input.Params.Get("alg")
	for i := range v.keys {
		key := &v.keys[i]
		if key.id != "" && (!named || key.id != keyID.Text) {
			continue
		}
		if key.verify(algorithm.Text, base, signature) {
			return key
		}
	}
	return nil
}

// covers refuses a signature that leaves out what must be signed. (One that covers a field which is missing has no base.)
func (v *rfc9421Verifier) covers(input *httpsig.Member, body []byte) error {
	if tag, _ := input.Params.Get("tag"); v.scheme.Tag != "" && tag.Text != v.scheme.Tag {
		return fmt.Errorf("%w: the signature has another tag", webhook.ErrSignatureFormat)
	}
	switch {
	case v.scheme.Components != nil:
		for _, name := range v.scheme.Components {
			if !input.Covers(name) {
				return fmt.Errorf("%w: the signature does not cover %s", webhook.ErrSignatureFormat, name)
			}
		}
	case !input.Covers("@method"):
		return fmt.Errorf("%w: the signature does not cover @method", webhook.ErrSignatureFormat)
	case !input.Covers("@target-uri") && !input.Covers("@request-target") && !input.Covers("@path"):
		return fmt.Errorf("%w: the signature covers neither @target-uri, @request-target nor @path", webhook.ErrSignatureFormat)
	}
	if len(body) > 0 && !input.Covers("content-digest") && !v.scheme.InsecureUnsignedBody {
		return fmt.Errorf("%w: the signature does not cover content-digest", webhook.ErrSignatureFormat)
	}
	return nil
}

// Describe fills in what e says of itself. It looks only at the signature that verifies: another may say anything.
func (v *rfc9421Verifier) Describe(r *http.Request, e *webhook.Event) {
	room := v.rooms.Begin()
	defer v.rooms.End(room)
	i := identity{provider: "rfc9421", typ: v.scheme.Type}
	input, _, err := v.match(room, r, e.Body)
	if err != nil {
		return
	}
	for _, component := range input.List {
		if name := component.Item.Text; !strings.HasPrefix(name, "@") {
			i.signedHeaders = append(i.signedHeaders, canonical(name))
		}
	}
	i.bodySigned = input.Covers("content-digest")
	i.Describe(r, e)
	if nonce, ok := input.Params.Get("nonce"); ok && nonce.Text != "" && len(nonce.Text) <= maxText {
		e.ID, e.IDSigned = nonce.Text, true
		e.Key = webhook.NewKey("rfc9421", []byte("nonce"), []byte(e.Proof.KeyID), []byte(nonce.Text))
		return
	}
	e.Key = webhook.NewKey("rfc9421", []byte("content"), []byte(r.Method), []byte(r.URL.RequestURI()), e.Body,
		strconv.AppendInt(nil, e.SentAt.Unix(), 10))
}
