package provider

import (
	"crypto"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook"
)

// Contentful is the scheme of Contentful's signed webhooks and app requests.
//
// Signed are four lines: method, path with query, header fields ("name:value" in lower case, sorted, joined by ";") and body, with
// HMAC-SHA256, as plain hex in x-contentful-signature. The fields are those that x-contentful-signed-headers lists; it must list itself and
// x-contentful-timestamp (milliseconds), and the topic where one is sent. The path is that of the endpoint's public URL, which is therefore
// required; the query is taken as received. Contentful's own library encodes a query twice; both forms are accepted.
//
// Type is the field X-Contentful-Topic. ID is x-contentful-idempotency-key, signed where it is listed: deduplication then goes by it,
// and else by the body. Tolerance: 30 seconds both ways, as in Contentful's library. Contentful waits 30 seconds and makes two more
// attempts.
//
// Source: https://www.contentful.com/developers/docs/extensibility/webhooks/request-verification and contentful/node-apps-toolkit src/requests.
type Contentful struct {
	// Secrets are the space's signing secrets, 64 characters each, as text, newest first. At least one is required.
	Secrets []webhook.Secret
}

// Fields of a signed request, as net/http keeps them.
const (
	contentfulSignature = "X-Contentful-Signature"
	contentfulSigned    = "X-Contentful-Signed-Headers"
	contentfulTimestamp = "X-Contentful-Timestamp"
	contentfulTopic     = "X-Contentful-Topic"
	contentfulKey       = "X-Contentful-Idempotency-Key"
)

// Provider returns "contentful".
func (Contentful) Provider() string { return "contentful" }

// Prepare returns a Verifier, or every mistake in s.
func (s Contentful) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	c := invalid.Config{Package: "provider"}
	v := &contentfulVerifier{window: newWindow(setup, contentfulTolerance)}
	requirePublicURL(setup, &c)
	v.keys = contentfulKeys(setup, s.Secrets, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	v.path = setup.PublicURL.EscapedPath()
	return v, nil
}

const contentfulTolerance = 30 * time.Second

// contentfulKeys returns a keyed hash for each secret, all of which have 64 characters.
func contentfulKeys(setup webhook.Setup, own []webhook.Secret, c *invalid.Config) []*keyed {
	for i, secret := range secretsOf(setup, own, &invalid.Config{}) {
		if text := secret.Reveal(); text != "" && (len(text) != 64 || strings.Trim(text, alphanumeric+"+/=_-") != "") {
			c.Hidden(secretField(i), "must have 64 letters, digits and characters of +/=_-")
		}
	}
	return rawKeys(setup, own, crypto.SHA256, c)
}

const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// contentfulVerifier is Contentful made ready.
type contentfulVerifier struct {
	keys   []*keyed
	path   string
	window window
}

// Contract returns what Contentful promises and expects.
func (*contentfulVerifier) Contract() webhook.Contract {
	return webhook.Contract{
		Methods:     []string{http.MethodPost, http.MethodPut, http.MethodGet, http.MethodDelete},
		Tolerance:   contentfulTolerance,
		AckTimeout:  30 * time.Second,
		RetryWindow: 5 * time.Minute,
	}
}

// Verify checks the signature and then the time it covers.
func (v *contentfulVerifier) Verify(r *http.Request, body []byte, now time.Time) (webhook.Proof, error) {
	signature, err := only(r.Header, contentfulSignature)
	if err != nil {
		return webhook.Proof{}, err
	}
	names, err := contentfulNames(r.Header)
	if err != nil {
		return webhook.Proof{}, err
	}
	fields, err := contentfulFields(r, names)
	if err != nil {
		return webhook.Proof{}, err
	}
	if !Hex.plausible(signature, crypto.SHA256.Size()) {
		return webhook.Proof{}, fmt.Errorf("%w: x-contentful-signature is not 64 hexadecimal digits", webhook.ErrSignatureFormat)
	}
	for _, key := range v.keys {
		for _, path := range contentfulPaths(v.path, r.URL.RawQuery) {
			if !same(signature, contentfulMAC(key, r.Method, path, fields, body)) {
				continue
			}
			proof := webhook.Proof{Secret: key.index, KeyID: key.id}
			if proof.SentAt, err = UnixMillis.parse(r.Header.Get(contentfulTimestamp)); err == nil {
				err = v.window.check(proof.SentAt, now)
			}
			if err != nil {
				return webhook.Proof{}, err
			}
			return proof, nil
		}
	}
	return webhook.Proof{}, webhook.ErrSignature
}

// contentfulNames returns the names in x-contentful-signed-headers, sorted. What would be trusted must be among them.
func contentfulNames(h http.Header) ([]string, error) {
	list, err := only(h, contentfulSigned)
	if err != nil {
		return nil, err
	}
	names := strings.Split(list, ",")
	slices.Sort(names)
	for i, name := range names {
		if !validField(name) || strings.ToLower(name) != name || i > 0 && name == names[i-1] {
			return nil, fmt.Errorf("%w: x-contentful-signed-headers has a name that is none, or twice", webhook.ErrSignatureFormat)
		}
	}
	for _, required := range []string{contentfulSigned, contentfulTimestamp, contentfulTopic} {
		if len(h[required]) > 0 && !slices.Contains(names, strings.ToLower(required)) {
			return nil, fmt.Errorf("%w: %s is not signed", webhook.ErrSignatureFormat, required)
		}
	}
	if len(h[contentfulTimestamp]) == 0 {
		return nil, fmt.Errorf("%w: no x-contentful-timestamp", webhook.ErrTimestamp)
	}
	return names, nil
}

// contentfulFields returns the line of header fields.
func contentfulFields(r *http.Request, names []string) (string, error) {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte(';')
		}
		var value string
		switch key := textproto.CanonicalMIMEHeaderKey(name); key {
		case contentfulSigned:
			value = strings.Join(names, ",")
		case "Host":
			value = r.Host
		default:
			var err error
			if value, err = only(r.Header, key); err != nil {
				return "", err
			}
		}
		b.WriteString(name + ":" + strings.TrimSpace(value))
	}
	return b.String(), nil
}

// contentfulPaths returns the forms in which a path and query may be signed: as node-apps-toolkit encodes them, and as they are.
func contentfulPaths(path, query string) []string {
	plain, encoded := path, path
	if query != "" {
		plain, encoded = path+"?"+query, path+"?"+encodeComponent(query)
	}
	if encoded = encodeURI(encoded); encoded == plain {
		return []string{plain}
	}
	return []string{encoded, plain}
}

// encodeURI is ECMAScript's (ECMA-262, section 19.2.6.4). A percent sign is encoded too.
func encodeURI(text string) string { return percentEncode(text, alphanumeric+"-_.!~*'();/?:@&=+$,#") }

// encodeComponent is ECMAScript's encodeURIComponent, which Node's querystring.escape is as well.
func encodeComponent(text string) string { return percentEncode(text, alphanumeric+"-_.!~*'()") }

func percentEncode(text, keep string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// contentfulMAC returns the signature.
func contentfulMAC(key *keyed, method, path, fields string, body []byte) string {
	s := key.begin()
	defer key.end(s)
	s.buf = fmt.Appendf(s.buf, "%s\n%s\n%s\n", method, path, fields)
	s.flush()
	s.hash.Write(body)
	return string(s.encoded(Hex))
}

// Describe fills in what e says of itself.
func (*contentfulVerifier) Describe(r *http.Request, e *webhook.Event) {
	i := identity{
		provider: "contentful", bodySigned: true,
		typ: Source{Header: contentfulTopic}, id: Source{Header: contentfulKey},
	}
	if names, err := contentfulNames(e.Header); err == nil {
		for _, name := range names {
			i.signedHeaders = append(i.signedHeaders, textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	i.Describe(r, e)
}

// Sign signs r as Contentful does: all its fields that begin with "x-contentful-", and the time.
func (s Contentful) Sign(r *http.Request, body []byte, now time.Time, key webhook.Secret) ([]byte, error) {
	c := invalid.Config{Package: "provider"}
	keys := contentfulKeys(webhook.Setup{Secrets: []webhook.Secret{key}}, nil, &c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	setMethod(r, (*contentfulVerifier)(nil).Contract())
	r.Header.Set(contentfulTimestamp, UnixMillis.format(now))
	r.Header.Del(contentfulSignature)
	r.Header.Set(contentfulSigned, "")
	var names []string
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Contentful-") {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	r.Header.Set(contentfulSigned, strings.Join(names, ","))
	fields, err := contentfulFields(r, names)
	if err != nil {
		return nil, err
	}
	path := contentfulPaths(r.URL.EscapedPath(), r.URL.RawQuery)[0]
	r.Header.Set(contentfulSignature, contentfulMAC(keys[0], r.Method, path, fields, body))
	return body, nil
}

// GenerateSecret returns a new secret.
func (Contentful) GenerateSecret() (signing, verifying webhook.Secret, err error) {
	return HMAC{}.GenerateSecret()
}
