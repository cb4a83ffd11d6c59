package provider_test

import (
	"crypto"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestTwilioRefuses(t *testing.T) {
	const good = "NBdBDr/T/lgjI+tlgpXjKZQZs/k="
	const target = "https://mycompany.com/myapp.php?foo=1&bar=2"
	sign := func(text string) string {
		return base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA1, "12345", text))
	}
	const digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" // of foo
	for _, row := range []struct {
		name, url, body, signature string
		want                       error
	}{
		{"as it is", target, "property=value&boolean=true", good, nil},
		{"in another order", target, "boolean=true&property=value", good, nil},
		{"one value twice", target, "property=value&boolean=true&boolean=true", good, nil},
		{"a second value that is not signed", target, "property=value&boolean=true&boolean=false", good, webhook.ErrSignature},
		{"two values, signed", target, "a=2&a=1", sign(target + "a1a2"), nil},
		{"two values, of which the first is signed", target, "a=1&a=2", sign(target + "a1"), webhook.ErrSignature},
		{"a parameter that is added", target, "property=value&boolean=true&x=1", good, webhook.ErrSignature},
		{"a body that is no form", target, "%zz", good, webhook.ErrPayload},
		{"a form with a semicolon", target, "a=1;b=2", sign(target + "a1;b2"), webhook.ErrPayload},
		{"a form that ends within an escape", target, "a=%4", sign(target + "a%4"), webhook.ErrPayload},
		{"a name that cannot be read", target, "%4g=1", sign(target + "%4g1"), webhook.ErrPayload},
		{"as many parameters as are read", target, strings.Repeat("a=1&", 9998) + "b=2", sign(target + "a1b2"), nil},
		{"more parameters than are read", target, strings.Repeat("a=1&", 10000) + "b=2", sign(target + "a1b2"), webhook.ErrPayload},
		{"JSON without a digest", target, `{"a":1}`, good, webhook.ErrSignature},
		{"a body with its digest", target + "&bodySHA256=" + digest, "foo", sign(target + "&bodySHA256=" + digest), nil},
		{"another body with that digest", target + "&bodySHA256=" + digest, "bar", sign(target + "&bodySHA256=" + digest), webhook.ErrSignature},
		{"no body with that digest", target + "&bodySHA256=" + digest, "", sign(target + "&bodySHA256=" + digest), webhook.ErrSignature},
		{"the digest in capitals", target + "&bodySHA256=" + strings.ToUpper(digest), "foo", sign(target + "&bodySHA256=" + strings.ToUpper(digest)), webhook.ErrSignature},
		{"two digests", target + "&bodySHA256=" + digest + "&bodySHA256=x", "foo", sign(target + "&bodySHA256=" + digest + "&bodySHA256=x"), webhook.ErrSignature},
		{"a digest that is not signed", target + "&bodySHA256=" + digest, "foo", sign(target), webhook.ErrSignature},
		{"a query that cannot be read", target + "&%zz", "", sign(target + "&%zz"), webhook.ErrSignatureFormat},
		{"no signature", target, "", "", webhook.ErrNoSignature},
		{"a signature that is no base64", target, "", "x", webhook.ErrSignatureFormat},
		{"a GET", target, "", sign(target), nil},
		{"a port of http", "http://mycompany.com/x", "", sign("http://mycompany.com:80/x"), nil},
		{"a port of https", "https://mycompany.com/x", "", sign("https://mycompany.com:443/x"), nil},
		{"a port that is configured", "https://mycompany.com:8443/x", "", sign("https://mycompany.com:8443/x"), nil},
		{"a port that is configured and not signed", "https://mycompany.com:8443/x", "", sign("https://mycompany.com/x"), nil},
		{"another port", "https://mycompany.com/x", "", sign("https://mycompany.com:8443/x"), webhook.ErrSignature},
	} {
		check(t, row.name, delivery{
			scheme: provider.Twilio{Secrets: secret("12345")}, url: row.url, body: row.body,
			header: map[string]string{"X-Twilio-Signature": row.signature},
		}, row.want)
	}
	r := delivery{url: "https://example.com/x?CallSid=CA1&CallStatus=ringing", method: "GET"}.request(t)
	d := delivery{scheme: provider.Twilio{Secrets: secret("12345")}}
	if e := describe(d.prepared(t), r, nil, webhook.Proof{}); e.ID != "CA1" || e.Type != "ringing" {
		t.Errorf("a GET says %q, %q", e.ID, e.Type)
	}
}

// A form is read as net/url reads it: what is signed of it there is accepted here, and what is none there is none here.
func FuzzTwilioParameters(f *testing.F) {
	for _, text := range []string{"", "a=1&b=2", "b=2&a=1&a=1&a=0", "&&=&=x&a", "%41=%2B+&a=%e9", "a=%", "a=%4", "%zz=1", "a;b", "a=1=2", "bodySHA256=x", "é=%00"} {
		f.Add(text)
	}
	d := delivery{scheme: provider.Twilio{Secrets: secret("12345")}}
	v := d.prepared(f)
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		signed := d.request(t).URL.String()
		names := slices.Sorted(maps.Keys(form))
		for _, name := range names {
			values := form[name]
			slices.Sort(values)
			for _, value := range slices.Compact(values) {
				signed += name + value
			}
		}
		r := d.request(t)
		r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA1, "12345", signed)))
		switch _, reason := v.Verify(r, []byte(text), now); {
		case err == nil && reason != nil:
			t.Fatalf("%q is refused: %v", text, reason)
		case err != nil && !errors.Is(reason, webhook.ErrPayload):
			t.Fatalf("%q is no form: %v", text, reason)
		}
	})
}
