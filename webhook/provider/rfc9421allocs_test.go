package provider_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

const digest512 = `sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:` // RFC 9530, as digest

func TestAcceptingAMessageSignatureAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	const body = `{"hello": "world"}`
	whole := []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`, `"content-digest": ` + digest}
	fields := map[string]string{"Content-Digest": digest}
	named := []webhook.Secret{webhook.NewSecret(sharedSecret).Named("k")}
	for _, row := range []struct {
		name   string
		scheme provider.RFC9421
		m      message
		change func(http.Header)
	}{
		{"method, target and body", provider.RFC9421{}, message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, body}, nil},
		{"every parameter", provider.RFC9421{Secrets: named, Tag: "acme"}, message{
			`("@method" "@target-uri" "content-digest");created=1764000000;expires=1764000060;nonce="n";alg="hmac-sha256";keyid="k";tag="acme";x=?0;y=:aGk=:;z=to/k:en`,
			whole, fields, body,
		}, nil},
		{"everything that can be derived", provider.RFC9421{}, message{
			`("@method" "@path" "@query" "@scheme" "@authority" "@request-target" "@query-param";name="Pet" "content-digest");created=1764000000`,
			[]string{
				whole[0], `"@path": /foo`, `"@query": ?param=Value&Pet=dog`, `"@scheme": https`, `"@authority": example.com`,
				`"@request-target": /foo?param=Value&Pet=dog`, `"@query-param";name="Pet": dog`, whole[2],
			},
			fields, body,
		}, nil},
		{"fields, one with a name that net/http does not know", provider.RFC9421{Components: []string{"x-a-field-of-our-own-with-a-long-name", "host"}}, message{
			`("x-a-field-of-our-own-with-a-long-name" "host" "content-length" "content-digest");created=1764000000`,
			[]string{`"x-a-field-of-our-own-with-a-long-name": ` + strings.Repeat("v", 5000), `"host": internal.example`, `"content-length": 18`, whole[2]},
			map[string]string{"Content-Digest": digest, "X-A-Field-Of-Our-Own-With-A-Long-Name": " " + strings.Repeat("v", 5000)},
			body,
		}, nil},
		{"two digests", provider.RFC9421{}, message{
			`("@method" "@target-uri" "content-digest");created=1764000000`, append(whole[:2:2], `"content-digest": `+digest+", "+digest512),
			map[string]string{"Content-Digest": digest + ", " + digest512},
			body,
		}, nil},
		{"behind signatures that are another's, on lines of their own", provider.RFC9421{}, message{
			`("@method" "@target-uri" "content-digest");created=1764000000`, whole, fields, body,
		}, func(h http.Header) {
			h["Signature-Input"] = []string{`a=("@method" "@target-uri" "content-digest");created=1764000000, b=("@method" "@path" "content-digest");created=1`, h["Signature-Input"][0]}
			h["Signature"] = []string{"a=:AAAA:, b=:AAAA:", h["Signature"][0]}
		}},
	} {
		if row.scheme.Secrets == nil {
			row.scheme.Secrets = secret(sharedSecret)
		}
		d := delivery{scheme: row.scheme, url: "https://example.com/foo?param=Value&Pet=dog"}
		r := row.m.request(t)
		if row.change != nil {
			row.change(r.Header)
		}
		acceptsWithoutAllocating(t, row.name, d.prepared(t), r, []byte(row.m.body))
	}
}

// What is refused before it is known who sent it costs its sender more than the receiver.
func TestRefusingAMessageSignatureAllocatesLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool drop what it holds")
	}
	const body = `{"hello": "world"}`
	whole := []string{`"@method": POST`, `"@target-uri": https://example.com/foo?param=Value&Pet=dog`, `"content-digest": ` + digest}
	good := message{`("@method" "@target-uri" "content-digest");created=1764000000`, whole, map[string]string{"Content-Digest": digest}, body}
	sent := []byte(body)
	many := slices.Repeat([]string{`"x" `}, 100)
	for _, row := range []struct {
		name   string
		most   float64
		change func(http.Header)
	}{
		{"another key's signature", 0, func(h http.Header) { h.Set("Signature", "sig=:"+strings.Repeat("A", 43)+"=:") }},
		{"no signature", 4, func(h http.Header) { h.Del("Signature") }},
		{"a field that cannot be read", 4, func(h http.Header) { h.Set("Signature-Input", "sig=(") }},
		{"a hundred components", 4, func(h http.Header) { h.Set("Signature-Input", "sig=("+strings.Join(many, "")+")") }},
		{"eight signatures that cover nothing", 8 * 4, func(h http.Header) {
			h.Set("Signature-Input", "a=(), b=(), c=(), d=(), e=(), f=(), g=(), h=()")
			h.Set("Signature", "a=:AAAA:, b=:AAAA:, c=:AAAA:, d=:AAAA:, e=:AAAA:, f=:AAAA:, g=:AAAA:, h=:AAAA:")
		}},
	} {
		d := delivery{scheme: provider.RFC9421{Secrets: secret(sharedSecret)}, url: "https://example.com/foo?param=Value&Pet=dog"}
		v, r := d.prepared(t), good.request(t)
		row.change(r.Header)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := v.Verify(r, sent, now); err == nil {
				t.Fatalf("%s: accepted", row.name)
			}
		}); n > row.most {
			t.Errorf("%s: %v allocations, more than %v", row.name, n, row.most)
		}
	}
}
