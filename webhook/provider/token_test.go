package provider_test

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestTokens(t *testing.T) {
	for _, row := range []struct {
		name   string
		scheme provider.Token
		query  string
		header http.Header
		want   error
	}{
		{"in the query", provider.Token{Query: "token"}, "token=t&tag=posts", nil, nil},
		{"in the query, encoded", provider.Token{Query: "token"}, "token=%74", nil, nil},
		{"in a field", provider.Token{Header: "x-token"}, "", http.Header{"X-Token": {"t"}}, nil},
		{"in Authorization", provider.Token{Bearer: true}, "", http.Header{"Authorization": {"Bearer t"}}, nil},
		{"in Authorization in small letters", provider.Token{Bearer: true}, "", http.Header{"Authorization": {"bearer  t"}}, nil},
		{"in Authorization by another scheme", provider.Token{Bearer: true}, "", http.Header{"Authorization": {"Basic t"}}, webhook.ErrNoSignature},
		{"in Authorization twice", provider.Token{Bearer: true}, "", http.Header{"Authorization": {"Bearer t", "Bearer t"}}, webhook.ErrSignatureFormat},
		{"in one of two places", provider.Token{Query: "token", Header: "X-Token"}, "token=t", nil, nil},
		{"in both places", provider.Token{Query: "token", Header: "X-Token"}, "token=t", http.Header{"X-Token": {"t"}}, nil},
		{"in both places, and they differ", provider.Token{Query: "token", Header: "X-Token"}, "token=t", http.Header{"X-Token": {"u"}}, webhook.ErrSignature},
		{"in another place", provider.Token{Query: "token"}, "", http.Header{"Token": {"t"}}, webhook.ErrNoSignature},
		{"nowhere", provider.Token{Query: "token"}, "", nil, webhook.ErrNoSignature},
		{"empty", provider.Token{Query: "token"}, "token=", nil, webhook.ErrNoSignature},
		{"twice", provider.Token{Query: "token"}, "token=t&token=t", nil, webhook.ErrSignatureFormat},
		{"in a query that cannot be read", provider.Token{Query: "token"}, "token=t&%zz", nil, webhook.ErrSignatureFormat},
		{"another", provider.Token{Query: "token"}, "token=T", nil, webhook.ErrSignature},
		{"longer", provider.Token{Query: "token"}, "token=tt", nil, webhook.ErrSignature},
	} {
		row.scheme.Secrets = secret("other", "t")
		d := delivery{scheme: row.scheme}
		r := d.request(t)
		r.URL.RawQuery = row.query
		if row.header != nil {
			r.Header = row.header
		}
		if _, err := d.prepared(t).Verify(r, nil, now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	for _, scheme := range []provider.Token{{Secrets: secret("t")}, {Secrets: secret("t"), Header: "a b"}} {
		if _, err := scheme.Prepare(webhook.Setup{}); err == nil {
			t.Errorf("%+v is accepted", scheme)
		}
	}
	for _, scheme := range []provider.Token{{Header: "X-Token"}, {Bearer: true}, {Query: "token", Methods: []string{"GET"}}} {
		e := deliveredBy(t, scheme, `{}`, nil)
		if e.IDSigned || e.TypeSigned {
			t.Errorf("%+v", e)
		}
	}
	methods := []string{"GET"}
	v, err := provider.Token{Secrets: secret("t"), Query: "token", Methods: methods}.Prepare(webhook.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	methods[0] = "DELETE"
	if got := v.Contract().Methods; !slices.Equal(got, []string{"GET"}) {
		t.Errorf("the caller's slice is kept: %q", got)
	}
	identified := provider.Token{Header: "X-Token", EventID: provider.Source{Header: "X-Id"}, EventType: provider.Source{JSON: []string{"type"}}}
	if e := deliveredBy(t, identified, `{"type":"x"}`, map[string]string{"X-Id": "1"}); e.ID != "1" || e.Type != "x" || e.Repeatable {
		t.Errorf("%+v", e)
	}
}

func TestTokensInTheirProvidersPlace(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pass"))
	for _, row := range []struct {
		name   string
		scheme webhook.Scheme
		header map[string]string
		body   string
		want   error
	}{
		{"Strapi, alone", provider.Strapi{Secrets: secret("t")}, map[string]string{"Authorization": "t"}, "{}", nil},
		{"Strapi, behind Bearer", provider.Strapi{Secrets: secret("t")}, map[string]string{"Authorization": "Bearer t"}, "{}", nil},
		{"Strapi, as Basic", provider.Strapi{Secrets: secret("user:pass")}, map[string]string{"Authorization": basic}, "{}", webhook.ErrSignature},
		{"Strapi, in a field of its own", provider.Strapi{Secrets: secret("t"), Header: "x-strapi-token"}, map[string]string{"X-Strapi-Token": "t"}, "{}", nil},
		{"Strapi, in another field than configured", provider.Strapi{Secrets: secret("t"), Header: "x-strapi-token"}, map[string]string{"Authorization": "t"}, "{}", webhook.ErrNoSignature},
		{"DatoCMS, as Basic", provider.DatoCMS{Secrets: secret("user:pass")}, map[string]string{"Authorization": basic}, "{}", nil},
		{"DatoCMS, with another password", provider.DatoCMS{Secrets: secret("user:word")}, map[string]string{"Authorization": basic}, "{}", webhook.ErrSignature},
		{"DatoCMS, the whole value", provider.DatoCMS{Secrets: secret(basic)}, map[string]string{"Authorization": basic}, "{}", nil},
		{"DatoCMS, in a field of its own", provider.DatoCMS{Secrets: secret("t"), Header: "X-Token"}, map[string]string{"X-Token": "t"}, "{}", nil},
		{"DatoCMS, without", provider.DatoCMS{Secrets: secret("t")}, nil, "{}", webhook.ErrNoSignature},
		{"Prismic", provider.Prismic{Secrets: secret("t")}, nil, `{"secret":"t"}`, nil},
		{"Prismic, without", provider.Prismic{Secrets: secret("t")}, nil, `{"secret":null}`, webhook.ErrNoSignature},
		{"Prismic, twice", provider.Prismic{Secrets: secret("t")}, nil, `{"secret":"t","secret":"u"}`, webhook.ErrPayload},
		{"Prismic, deeper", provider.Prismic{Secrets: secret("t")}, nil, `{"a":{"secret":"t"}}`, webhook.ErrNoSignature},
		{"Graph", provider.MicrosoftGraph{Secrets: secret("t")}, nil, `{"value":[{"clientState":"t"},{"clientState":"t"}]}`, nil},
		{"Graph, one without", provider.MicrosoftGraph{Secrets: secret("t")}, nil, `{"value":[{"clientState":"t"},{}]}`, webhook.ErrNoSignature},
		{"Graph, one with another", provider.MicrosoftGraph{Secrets: secret("t", "u")}, nil, `{"value":[{"clientState":"t"},{"clientState":"u"}]}`, webhook.ErrSignature},
		{"Graph, none", provider.MicrosoftGraph{Secrets: secret("t")}, nil, `{"value":[]}`, webhook.ErrNoSignature},
		{"Graph, beside the notifications", provider.MicrosoftGraph{Secrets: secret("t")}, nil, `{"clientState":"t","value":[]}`, webhook.ErrNoSignature},
		{"Graph, no JSON", provider.MicrosoftGraph{Secrets: secret("t")}, nil, `x`, webhook.ErrPayload},
		{"CloudEvents, in the query", provider.CloudEvents{Secrets: secret("mF_9.B5f-4.1JqM")}, nil, `{}`, nil},
		{"WebSub with sha1", provider.WebSub{Secrets: secret("s")}, map[string]string{"X-Hub-Signature": "sha1=" + hex.EncodeToString(hmacOver(crypto.SHA1, "s", "x"))}, "x", nil},
		{"WebSub with sha384", provider.WebSub{Secrets: secret("s")}, map[string]string{"X-Hub-Signature": "sha384=" + hex.EncodeToString(hmacOver(crypto.SHA384, "s", "x"))}, "x", nil},
		{"WebSub with sha512", provider.WebSub{Secrets: secret("s")}, map[string]string{"X-Hub-Signature": "sha512=" + hex.EncodeToString(hmacOver(crypto.SHA512, "s", "x"))}, "x", nil},
		{"WebSub with md5", provider.WebSub{Secrets: secret("s")}, map[string]string{"X-Hub-Signature": "md5=" + strings.Repeat("0", 32)}, "x", webhook.ErrSignatureFormat},
		{"WebSub without a signature", provider.WebSub{Secrets: secret("s")}, nil, "x", webhook.ErrNoSignature},
		{"WebSub with one method's hash under another's name", provider.WebSub{Secrets: secret("s")}, map[string]string{"X-Hub-Signature": "sha256=" + hex.EncodeToString(hmacOver(crypto.SHA1, "s", "x"))}, "x", webhook.ErrSignatureFormat},
	} {
		d := delivery{scheme: row.scheme, header: row.header, body: row.body}
		if row.scheme.Provider() == "cloudevents" {
			d.url = "https://example.com/hook?access_token=mF_9.B5f-4.1JqM"
		}
		check(t, row.name, d, row.want)
	}
	for _, scheme := range []webhook.Scheme{provider.Strapi{Secrets: secret("t"), Header: "a b"}, provider.Meta{Secrets: secret("t"), VerifyToken: webhook.NewSecret(" ")}, provider.Meta{}, provider.WebSub{Secrets: secret("s"), Topics: []string{""}}} {
		if _, err := scheme.Prepare(webhook.Setup{}); err == nil {
			t.Errorf("%s: %+v is accepted", scheme.Provider(), scheme)
		}
	}
}
