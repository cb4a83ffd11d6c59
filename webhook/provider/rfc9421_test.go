package provider_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

const sharedSecret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

// message is a request that anything can be said of, signed with HMAC as this test writes the signature base itself.
type message struct {
	input string            // of Signature-Input, behind "sig="
	base  []string          // lines of the signature base
	field map[string]string // further fields
	body  string
}

const digest = `sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:` // RFC 9530, of {"hello": "world"}

func (m message) request(tb testing.TB) *http.Request {
	tb.Helper()
	r, err := http.NewRequest("POST", "https://example.com/foo?param=Value&Pet=dog", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Host = "internal.example"
	for name, value := range m.field {
		r.Header.Add(name, value)
	}
	base := strings.Join(append(slices.Clone(m.base), `"@signature-params": `+m.input), "\n")
	r.Header.Set("Signature-Input", "sig="+m.input)
	r.Header.Set("Signature", "sig=:"+hmacOf(tb, base)+":")
	return r
}

func hmacOf(tb testing.TB, text string) string {
	tb.Helper()
	key, err := base64.StdEncoding.DecodeString(sharedSecret)
	if err != nil {
		tb.Fatal(err)
	}
	h := hmacSHA256(key, text)
	return base64.StdEncoding.EncodeToString(h)
}

func TestMessageSignaturesMustCoverEnough(t *testing.T) {
	whole := []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`, `"content-digest": ` + digest}
	fields := map[string]string{"Content-Digest": digest}
	const body = `{"hello": "world"}`
	for _, row := range []struct {
		name   string
		scheme provider.RFC9421
		m      message
		want   error
	}{
		{"method, target and body", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, body}, nil},
		{"with a key id", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000;keyid="k"`, whole, fields, body}, nil},
		{"with the algorithm", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000;alg="hmac-sha256"`, whole, fields, body}, nil},
		{"with another algorithm", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000;alg="ed25519"`, whole, fields, body}, webhook.ErrSignature},
		{"with an algorithm that is none", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000;alg="none"`, whole, fields, body}, webhook.ErrSignature},
		{"the path in place of the target", provider.RFC9421{}, message{`("@method" "@path" "content-digest");created=1764000000`, []string{whole[0], `"@path": /foo`, whole[2]}, fields, body}, nil},
		{"the request target", provider.RFC9421{}, message{`("@method" "@request-target" "content-digest");created=1764000000`, []string{whole[0], `"@request-target": /foo?param=Value&Pet=dog`, whole[2]}, fields, body}, nil},
		{"everything that can be derived", provider.RFC9421{}, message{
			`("@method" "@path" "@query" "@scheme" "@authority" "@query-param";name="Pet" "content-digest");created=1764000000`,
			[]string{
				whole[0], `"@path": /foo`, `"@query": ?param=Value&Pet=dog`, `"@scheme": https`, `"@authority": example.com`,
				`"@query-param";name="Pet": dog`, whole[2],
			},
			fields, body,
		}, nil},
		{"no method", provider.RFC9421{}, message{`("@target-uri" "content-digest");created=1764000000`, whole[1:], fields, body}, webhook.ErrSignatureFormat},
		{"no target", provider.RFC9421{}, message{`("@method" "content-digest");created=1764000000`, []string{whole[0], whole[2]}, fields, body}, webhook.ErrSignatureFormat},
		{"no digest", provider.RFC9421{}, message{`("@method" "@target-uri");created=1764000000`, whole[:2], nil, body}, webhook.ErrSignatureFormat},
		{"a digest that is not covered", provider.RFC9421{}, message{`("@method" "@target-uri");created=1764000000`, whole[:2], fields, body}, webhook.ErrSignatureFormat},
		{"no digest, and no body", provider.RFC9421{}, message{`("@method" "@target-uri");created=1764000000`, whole[:2], nil, ""}, nil},
		{"no digest, and that is allowed", provider.RFC9421{InsecureUnsignedBody: true}, message{`("@method" "@target-uri");created=1764000000`, whole[:2], nil, body}, nil},
		{"a digest of another body", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, "{}"}, webhook.ErrSignature},
		{"a digest of another body that is not covered, and that is allowed", provider.RFC9421{InsecureUnsignedBody: true}, message{`("@method" "@target-uri");created=1764000000`, whole[:2], fields, "{}"}, webhook.ErrSignature},
		{"a covered digest that is missing", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, nil, body}, webhook.ErrSignatureFormat},
		{"a digest by an algorithm that is broken", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, append(whole[:2:2], `"content-digest": md5=:AAAA:`), map[string]string{"Content-Digest": "md5=:AAAA:"}, body}, webhook.ErrSignatureFormat},
		{"a digest that is no field", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, append(whole[:2:2], `"content-digest": ?`), map[string]string{"Content-Digest": "?"}, body}, webhook.ErrSignatureFormat},
		{"a digest that is a number", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, append(whole[:2:2], `"content-digest": sha-256=1`), map[string]string{"Content-Digest": "sha-256=1"}, body}, webhook.ErrSignature},
		{"a second digest that is wrong", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, append(whole[:2:2], `"content-digest": `+digest+`, sha-512=:AAAA:`), map[string]string{"Content-Digest": digest + ", sha-512=:AAAA:"}, body}, webhook.ErrSignature},
		{"a digest for a response", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest";req);created=1764000000`, append(whole[:2:2], `"content-digest";req: `+digest), fields, body}, webhook.ErrSignatureFormat},
		{"components that are asked for", provider.RFC9421{Components: []string{"@authority", "x-event"}}, message{`("@authority" "x-event" "content-digest");created=1764000000`, []string{`"@authority": example.com`, `"x-event": paid`, whole[2]}, map[string]string{"Content-Digest": digest, "X-Event": "paid"}, body}, nil},
		{"components that are asked for and missing", provider.RFC9421{Components: []string{"x-event"}}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"a component of the wrong kind", provider.RFC9421{}, message{`(method "@target-uri" "content-digest" "@method");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"a component twice", provider.RFC9421{}, message{`("@method" "@method" "@target-uri" "content-digest");created=1764000000`, append([]string{whole[0]}, whole...), fields, body}, webhook.ErrSignatureFormat},
		{"a field that is missing", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "x-missing");created=1764000000`, append(whole[:3:3], `"x-missing": `), fields, body}, webhook.ErrSignatureFormat},
		{"a field in capitals", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "X-Event");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"the status of a response", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "@status");created=1764000000`, append(whole[:3:3], `"@status": 200`), fields, body}, webhook.ErrSignatureFormat},
		{"a field that a proxy replaces", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "host");created=1764000000`, append(whole[:3:3], `"host": internal.example`), fields, body}, nil},
		{"the length", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "content-length");created=1764000000`, append(whole[:3:3], `"content-length": 18`), fields, body}, nil},
		{"a field as a dictionary", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "x-event";key="a");created=1764000000`, whole, map[string]string{"Content-Digest": digest, "X-Event": "a=1"}, body}, webhook.ErrSignatureFormat},
		{"a parameter of every kind", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000;a="\"\\";b=?0;c;d=:aGk=:;e=to/k:en;f=-12`, whole, fields, body}, nil},
		{"a field with a line break, as only a test can make it", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "x-event");created=1764000000`, append(whole[:3:3], "\"x-event\": a\nb"), map[string]string{"Content-Digest": digest, "X-Event": "a\nb"}, body}, webhook.ErrSignatureFormat},
		{"a query parameter without a name", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "@query-param");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"a query parameter that is missing", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest" "@query-param";name="no");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"created a second too long ago", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1763999699`, whole, fields, body}, webhook.ErrTooOld},
		{"created a second too far ahead", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000301`, whole, fields, body}, webhook.ErrTooNew},
		{"no created", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");keyid="k"`, whole, fields, body}, webhook.ErrTimestamp},
		{"a created that is text", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created="1764000000"`, whole, fields, body}, webhook.ErrTimestamp},
		{"a created that is negative", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=-1`, whole, fields, body}, webhook.ErrTimestamp},
		{"a created that is a fraction", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000.5`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"a created with 16 digits", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=9999999999999999`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"expired", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1763999990;expires=1763999999`, whole, fields, body}, webhook.ErrTooOld},
		{"not yet expired", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1763999990;expires=1764000000`, whole, fields, body}, nil},
		{"an expires that is none", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1763999990;expires="never"`, whole, fields, body}, webhook.ErrTimestamp},
		{"the tag", provider.RFC9421{Tag: "acme"}, message{`("@method" "@target-uri" "content-digest");created=1764000000;tag="acme"`, whole, fields, body}, nil},
		{"another tag", provider.RFC9421{Tag: "acme"}, message{`("@method" "@target-uri" "content-digest");created=1764000000;tag="other"`, whole, fields, body}, webhook.ErrSignatureFormat},
		{"no tag", provider.RFC9421{Tag: "acme"}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, body}, webhook.ErrSignatureFormat},
	} {
		row.scheme.Secrets = secret(sharedSecret)
		d := delivery{scheme: row.scheme, url: "https://example.com/foo?param=Value&Pet=dog"}
		if _, err := d.prepared(t).Verify(row.m.request(t), []byte(row.m.body), now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestMessageSignatureFieldsThatCannotBeRead(t *testing.T) {
	m := message{`("@method" "@target-uri");created=1764000000`, []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`}, nil, ""}
	d := delivery{scheme: provider.RFC9421{Secrets: secret(sharedSecret)}, url: "https://example.com/foo?param=Value&Pet=dog"}
	v := d.prepared(t)
	good := m.request(t).Header
	for _, row := range []struct {
		name             string
		input, signature []string
		want             error
	}{
		{"as they are", good["Signature-Input"], good["Signature"], nil},
		{"with tabs and spaces", []string{"  " + good["Signature-Input"][0] + " \t"}, good["Signature"], nil},
		{"with more space than is written", []string{`sig=(  "@method"  "@target-uri" );  created=1764000000`}, good["Signature"], nil},
		{"beside another that is of a strange key", []string{`a=();created=1`, good["Signature-Input"][0]}, []string{"a=:AAAA:, " + good["Signature"][0]}, nil},
		{"beside another that covers nothing", []string{good["Signature-Input"][0], `z=();created=1764000000`}, []string{good["Signature"][0], "z=:AAAA:"}, nil},
		{"beside a flag", good["Signature-Input"], []string{"x", good["Signature"][0]}, webhook.ErrSignatureFormat},
		{"beside an input that is a flag", []string{"x", good["Signature-Input"][0]}, good["Signature"], webhook.ErrSignatureFormat},
		{"no Signature", good["Signature-Input"], nil, webhook.ErrNoSignature},
		{"no Signature-Input", nil, good["Signature"], webhook.ErrNoSignature},
		{"another label", good["Signature-Input"], []string{"other=:AAAA:"}, webhook.ErrSignatureFormat},
		{"a label twice", []string{good["Signature-Input"][0], good["Signature-Input"][0]}, good["Signature"], webhook.ErrSignatureFormat},
		{"a signature that is a string", good["Signature-Input"], []string{`sig="AAAA"`}, webhook.ErrSignatureFormat},
		{"a signature that is no base64", good["Signature-Input"], []string{`sig=:A!:`}, webhook.ErrSignatureFormat},
		{"a signature that does not end", good["Signature-Input"], []string{`sig=:AAAA`}, webhook.ErrSignatureFormat},
		{"a signature that is empty", good["Signature-Input"], []string{`sig=::`}, webhook.ErrSignature},
		{"a signature that is cut short", good["Signature-Input"], []string{`sig=:AAAA:`}, webhook.ErrSignature},
		{"an input that is no list", []string{`sig="x"`}, good["Signature"], webhook.ErrSignatureFormat},
		{"an input that is a flag", []string{`sig`}, good["Signature"], webhook.ErrSignatureFormat},
		{"an input that is empty", []string{``}, good["Signature"], webhook.ErrSignatureFormat},
		{"a list that does not end", []string{`sig=("@method"`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a list without spaces", []string{`sig=("@method""@target-uri")`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a string that does not end", []string{`sig=("@method`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a string with another escape", []string{`sig=("\n")`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a string beyond ASCII", []string{`sig=("é")`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a key in capitals", []string{`Sig=()`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a parameter in capitals", []string{`sig=();A=1`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a parameter twice", []string{`sig=();created=1;created=2`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a parameter without its value", []string{`sig=();created=`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a comma at the end", []string{good["Signature-Input"][0] + ","}, good["Signature"], webhook.ErrSignatureFormat},
		{"no comma between two", []string{good["Signature-Input"][0] + " b=()"}, good["Signature"], webhook.ErrSignatureFormat},
		{"a flag that is neither", []string{`sig=();x=?2`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a number without digits", []string{`sig=();x=-`}, good["Signature"], webhook.ErrSignatureFormat},
		{"a parameter of an item in the list that cannot be read", []string{`sig=("@method";=)`}, good["Signature"], webhook.ErrSignatureFormat},
		{"nine signatures", []string{"a=(), b=(), c=(), d=(), e=(), f=(), g=(), h=(), i=()"}, good["Signature"], webhook.ErrSignatureFormat},
		{"a hundred members", []string{strings.Repeat("a", 1) + members(100)}, good["Signature"], webhook.ErrSignatureFormat},
		{"a hundred parameters", []string{"sig=()" + strings.ReplaceAll(members(100), ", a", ";a")}, good["Signature"], webhook.ErrSignatureFormat},
		{"a hundred components", []string{"sig=(" + strings.Repeat(`"x" `, 100) + ")"}, good["Signature"], webhook.ErrSignatureFormat},
	} {
		r := m.request(t)
		r.Header["Signature-Input"], r.Header["Signature"] = row.input, row.signature
		if _, err := v.Verify(r, nil, now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if row.want != nil {
			e := describe(v, r, nil, webhook.Proof{})
			if e.ID != "" || e.SignedHeaders != nil {
				t.Errorf("%s: an unverified signature says %+v", row.name, e)
			}
		}
	}
}

// members returns n members of a dictionary, each behind a comma.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", a%d", i)
	}
	return b.String()
}

func TestMessageSignaturesAreOfTheKeyThatTheyName(t *testing.T) {
	whole := []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`}
	named := message{`("@method" "@target-uri");created=1764000000;keyid="current"`, whole, nil, ""}
	unnamed := message{`("@method" "@target-uri");created=1764000000`, whole, nil, ""}
	key := webhook.NewSecret(sharedSecret)
	other := webhook.NewSecret("b3RoZXItb3RoZXItb3RoZXItb3RoZXI=")
	for _, row := range []struct {
		name    string
		secrets []webhook.Secret
		m       message
		want    error
		index   int
	}{
		{"the named key", []webhook.Secret{other.Named("next"), key.Named("current")}, named, nil, 1},
		{"another name", []webhook.Secret{key.Named("old")}, named, webhook.ErrSignature, 0},
		{"no name in the signature", []webhook.Secret{key.Named("current")}, unnamed, webhook.ErrSignature, 0},
		{"no name at the receiver", []webhook.Secret{other, key}, named, nil, 1},
		{"the right name and another key", []webhook.Secret{other.Named("current")}, named, webhook.ErrSignature, 0},
	} {
		d := delivery{scheme: provider.RFC9421{Secrets: row.secrets}, url: "https://example.com/foo?param=Value&Pet=dog"}
		proof, err := d.prepared(t).Verify(row.m.request(t), nil, now)
		if !errors.Is(err, row.want) || proof.Secret != row.index {
			t.Errorf("%s: secret %d, %v; want %d, %v", row.name, proof.Secret, err, row.index, row.want)
		}
		if err == nil && proof.KeyID != "current" {
			t.Errorf("%s: key id %q", row.name, proof.KeyID)
		}
	}
}

func TestMessageSignaturesOfEveryAlgorithm(t *testing.T) {
	p256, p384 := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	ed := discordPrivate(t)
	for _, row := range []struct {
		name            string
		private, public string
	}{
		{"hmac-sha256", sharedSecret, sharedSecret},
		{"ed25519", ed, publicPEM(t, parsedPrivate(t, ed).Public())},
		{"ecdsa-p256-sha256", privatePEM(t, p256), publicPEM(t, p256.Public())},
		{"ecdsa-p384-sha384", privatePEM(t, p384), publicPEM(t, p384.Public())},
		{"rsa-pss-sha512", rsaPrivate(t), publicPEM(t, rsaKey(t).Public())},
	} {
		scheme := provider.RFC9421{Secrets: secret(row.public), Components: []string{"@method", "x-event"}, Tag: "acme"}
		d := delivery{scheme: scheme, header: map[string]string{"X-Event": "paid", "Content-Type": "application/json"}}
		r := d.request(t)
		body := []byte("{}")
		if _, err := scheme.Sign(r, body, now, webhook.NewSecret(row.private).Named("k")); err != nil {
			t.Fatal(err)
		}
		v := d.prepared(t)
		if _, err := v.Verify(r, body, now); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		signature := r.Header.Get("Signature")
		r.Header.Set("Signature", signature[:len(signature)-8]+"AAAAAAA:")
		if _, err := v.Verify(r, body, now); err == nil {
			t.Errorf("%s: a changed signature is accepted", row.name)
		}
		r.Header.Set("Signature", "sig1=:AAAA:")
		if _, err := v.Verify(r, body, now); !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: a short signature: %v", row.name, err)
		}
		r.Header.Set("Signature", signature)
		r.Header.Set("X-Event", "void")
		if _, err := v.Verify(r, body, now); !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: a changed field: %v", row.name, err)
		}
	}
}

func TestMessageSignatureWithRSAPKCS1(t *testing.T) {
	const input = `("@method" "@target-uri");created=1764000000;alg="rsa-v1_5-sha256"`
	base := "\"@method\": POST\n\"@target-uri\": https://example.com/hook\n\"@signature-params\": " + input
	sum := sha256.Sum256([]byte(base))
	signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey(t), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	d := delivery{
		scheme: provider.RFC9421{Secrets: secret(certificatePEM(t, rsaKey(t)))},
		header: map[string]string{"Signature-Input": "sig=" + input, "Signature": "sig=:" + base64.StdEncoding.EncodeToString(signature) + ":"},
	}
	if _, err := d.prepared(t).Verify(d.request(t), nil, now); err != nil {
		t.Error(err)
	}
	d.setup.InsecureAnyAge = true
	if _, err := d.prepared(t).Verify(d.request(t), nil, now.Add(2*time.Hour)); !errors.Is(err, webhook.ErrSignature) {
		t.Errorf("under an expired certificate: %v", err)
	}
}

func TestMessageSignatureIdentity(t *testing.T) {
	scheme := provider.RFC9421{Type: provider.Source{JSON: []string{"type"}}}
	e := deliveredBy(t, scheme, `{"type":"paid"}`, nil)
	if e.Type != "paid" || !e.TypeSigned || e.ID == "" || !e.IDSigned {
		t.Errorf("%+v", e)
	}
	keys := map[webhook.Key]string{}
	whole := []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`}
	for name, m := range map[string]message{
		"no body":      {`("@method" "@target-uri");created=1764000000`, whole, nil, ""},
		"later":        {`("@method" "@target-uri");created=1764000001`, whole, nil, ""},
		"an old nonce": {`("@method" "@target-uri");created=1764000000;nonce="a"`, whole, nil, ""},
		"a new nonce":  {`("@method" "@target-uri");created=1764000000;nonce="b"`, whole, nil, ""},

		"the old nonce of another sender": {`("@method" "@target-uri");created=1764000000;keyid="other";nonce="a"`, whole, nil, ""},
	} {
		d := delivery{scheme: provider.RFC9421{Secrets: secret(sharedSecret)}, url: "https://example.com/foo?param=Value&Pet=dog"}
		v, r := d.prepared(t), m.request(t)
		proof, err := v.Verify(r, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		// A second signature that nobody made must not have a say.
		r.Header.Add("Signature-Input", `zz=();created=1764000000;nonce="forged"`)
		r.Header.Add("Signature", `zz=:AAAA:`)
		e := describe(v, r, nil, proof)
		if e.ID == "forged" {
			t.Errorf("%s: the id is forged", name)
		}
		if other, ok := keys[e.Key]; ok {
			t.Errorf("%s is the same event as %s", name, other)
		}
		keys[e.Key] = name
	}
}

func TestMessageSignaturesOfOtherURLs(t *testing.T) {
	for _, row := range []struct{ public, authority, path, query string }{
		{"https://Example.com:443", "example.com", "/", "?"},
		{"http://example.com:80/", "example.com", "/", "?"},
		{"http://example.com:8080/a%20b", "example.com:8080", "/a%20b", "?"},
		{"https://example.com/hook?a=b", "example.com", "/hook", "?a=b"},
	} {
		u, err := url.Parse(row.public)
		if err != nil {
			t.Fatal(err)
		}
		m := message{
			`("@method" "@authority" "@path" "@query" "@scheme");created=1764000000`,
			[]string{`"@method": POST`, `"@authority": ` + row.authority, `"@path": ` + row.path, `"@query": ` + row.query, `"@scheme": ` + u.Scheme},
			nil, "",
		}
		d := delivery{scheme: provider.RFC9421{Secrets: secret(sharedSecret)}, setup: webhook.Setup{PublicURL: u}}
		r := m.request(t)
		r.URL.RawQuery = u.RawQuery
		if _, err := d.prepared(t).Verify(r, nil, now); err != nil {
			t.Errorf("%s: %v", row.public, err)
		}
	}
}

func TestPrivateKeysInOlderForms(t *testing.T) {
	ec, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		pemOf("EC PRIVATE KEY", ec), base64.StdEncoding.EncodeToString(ec),
		pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t))),
	} {
		if _, err := (provider.RFC9421{}).Sign(delivery{}.request(t), nil, now, webhook.NewSecret(text)); err != nil {
			t.Error(err)
		}
	}
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (provider.RFC9421{}).Sign(delivery{}.request(t), nil, now, webhook.NewSecret(privatePEM(t, x))); err == nil {
		t.Error("a key that cannot sign is accepted")
	}
	d := delivery{scheme: provider.RFC9421{Secrets: secret(publicPEM(t, x.PublicKey()))}}
	if _, err := d.scheme.Prepare(d.completeSetup(t)); err == nil || !strings.Contains(err.Error(), "must be an RSA, ECDSA or Ed25519 key") {
		t.Errorf("%v", err)
	}
	if _, err := (provider.RFC9421{Components: []string{"x-missing"}}).Sign(delivery{}.request(t), nil, now, webhook.NewSecret(sharedSecret)); err == nil {
		t.Error("a component that is missing is signed")
	}
}

func TestAMalleableSignatureIsNoNewEvent(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	sendgrid := provider.SendGrid{Secrets: secret(publicPEM(t, key.Public()))}
	d := delivery{scheme: sendgrid}
	r, body := d.request(t), []byte(`[{"sg_event_id":"a","event":"open"},{"sg_event_id":"b","event":"open"}]`)
	if _, err := sendgrid.Sign(r, body, now, webhook.NewSecret(privatePEM(t, key))); err != nil {
		t.Fatal(err)
	}
	v := d.prepared(t)
	first := describe(v, r, body, webhook.Proof{})
	r.Header.Set("X-Twilio-Email-Event-Webhook-Signature", otherForm(t, r.Header.Get("X-Twilio-Email-Event-Webhook-Signature"), &key.PublicKey))
	if _, err := v.Verify(r, body, now); err != nil {
		t.Fatalf("the other form of the signature: %v", err)
	}
	if second := describe(v, r, body, webhook.Proof{}); second.Key != first.Key {
		t.Error("the other form of a signature makes it a new event")
	}
}
