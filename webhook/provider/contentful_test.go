package provider_test

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestContentfulMustSignWhatIsTrusted(t *testing.T) {
	key := strings.Repeat("a", 64)
	sign := func(method, path, fields, body string) string {
		return hex.EncodeToString(hmacOver(crypto.SHA256, key, method+"\n"+path+"\n"+fields+"\n"+body))
	}
	const ts = "1764000000000"
	const least = "x-contentful-signed-headers:x-contentful-signed-headers,x-contentful-timestamp;x-contentful-timestamp:" + ts
	const topic = "x-contentful-signed-headers:x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic;x-contentful-timestamp:" + ts + ";x-contentful-topic:T"
	type h = map[string]string
	names := "x-contentful-signed-headers,x-contentful-timestamp"
	manyFields := h{}
	var many, manyNames string
	for i := range 100 {
		name := fmt.Sprintf("x-a-%02d", i)
		manyFields[name] = " v "
		many += name + ":v;"
		manyNames += name + ","
	}
	for _, row := range []struct {
		name   string
		url    string
		header h
		want   error
	}{
		{"the least", "", h{"x-contentful-signature": sign("POST", "/hook", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"with the topic", "", h{"x-contentful-signature": sign("POST", "/hook", topic, "{}"), "x-contentful-signed-headers": names + ",x-contentful-topic", "x-contentful-timestamp": ts, "x-contentful-topic": "T"}, nil},
		{"in another order", "", h{"x-contentful-signature": sign("POST", "/hook", topic, "{}"), "x-contentful-signed-headers": "x-contentful-topic," + names, "x-contentful-timestamp": ts, "x-contentful-topic": "T"}, nil},
		{"a topic that is not signed", "", h{"x-contentful-signature": sign("POST", "/hook", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts, "x-contentful-topic": "T"}, webhook.ErrSignatureFormat},
		{"a time that is not signed", "", h{"x-contentful-signature": sign("POST", "/hook", "x-contentful-signed-headers:x-contentful-signed-headers", "{}"), "x-contentful-signed-headers": "x-contentful-signed-headers", "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a list that is not signed", "", h{"x-contentful-signature": sign("POST", "/hook", "x-contentful-timestamp:"+ts, "{}"), "x-contentful-signed-headers": "x-contentful-timestamp", "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"no time", "", h{"x-contentful-signature": sign("POST", "/hook", least, "{}"), "x-contentful-signed-headers": names}, webhook.ErrTimestamp},
		{"no list", "", h{"x-contentful-signature": sign("POST", "/hook", least, "{}"), "x-contentful-timestamp": ts}, webhook.ErrNoSignature},
		{"a name twice", "", h{"x-contentful-signature": "x", "x-contentful-signed-headers": names + ",x-contentful-timestamp", "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a name in capitals", "", h{"x-contentful-signature": "x", "x-contentful-signed-headers": names + ",X-A", "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"an empty name", "", h{"x-contentful-signature": "x", "x-contentful-signed-headers": names + ",", "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a field that is missing", "", h{"x-contentful-signature": "x", "x-contentful-signed-headers": names + ",x-a", "x-contentful-timestamp": ts}, webhook.ErrNoSignature},
		{"1001 names", "", h{"x-contentful-signature": "x", "x-contentful-signed-headers": names + strings.Repeat(",x", 999), "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a signature in capitals", "", h{"x-contentful-signature": strings.ToUpper(sign("POST", "/hook", least, "{}")), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a time that is none", "", h{"x-contentful-signature": sign("POST", "/hook", strings.ReplaceAll(least, ts, "NaN"), "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": "NaN"}, webhook.ErrTimestamp},
		{"the host", "", h{"x-contentful-signature": sign("POST", "/hook", "host:example.com;"+strings.ReplaceAll(least, "-headers:", "-headers:host,"), "{}"), "x-contentful-signed-headers": "host," + names, "x-contentful-timestamp": ts}, nil},
		{"a query as it is", "https://example.com/hook?a=b c&d=é", h{"x-contentful-signature": sign("POST", "/hook?a=b c&d=é", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"a query as the library encodes it", "https://example.com/hook?a=b%20c", h{"x-contentful-signature": sign("POST", "/hook?a%253Db%252520c", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"a path as the library encodes it", "https://example.com/h%20k", h{"x-contentful-signature": sign("POST", "/h%2520k", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"a path as it is", "https://example.com/h%20k", h{"x-contentful-signature": sign("POST", "/h%20k", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"100 names", "", merged(h{"x-contentful-signature": sign("POST", "/hook", many+least[:len("x-contentful-signed-headers:")]+manyNames+names+least[len("x-contentful-signed-headers:"+names):], "{}"), "x-contentful-signed-headers": manyNames + names, "x-contentful-timestamp": ts}, manyFields), nil},
		{"another query", "https://example.com/hook?a=b", h{"x-contentful-signature": sign("POST", "/hook?a=c", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignature},
		{"another method", "", h{"x-contentful-signature": sign("PUT", "/hook", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignature},
	} {
		d := delivery{scheme: provider.Contentful{Secrets: secret(key)}, header: row.header, body: "{}"}
		d.url = "https://example.com/hook"
		if strings.HasPrefix(row.name, "a path") {
			d.url = row.url
		}
		v := d.prepared(t)
		if row.url != "" {
			d.url = row.url
		}
		r := d.request(t)
		if _, query, ok := strings.Cut(row.url, "?"); ok {
			r.URL.RawQuery = query
		}
		if _, err := v.Verify(r, []byte(d.body), now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	d := delivery{scheme: provider.Contentful{Secrets: secret(key)}, header: h{"x-contentful-topic": "T"}}
	if e := describe(d.prepared(t), d.request(t), nil, webhook.Proof{}); e.Type != "T" || e.TypeSigned {
		t.Errorf("a topic that is not signed is said to be: %+v", e)
	}
}

// merged returns a with all of b.
func merged(a, b map[string]string) map[string]string {
	maps.Copy(a, b)
	return a
}
