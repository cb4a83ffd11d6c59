package provider_test

import (
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestSchemesThatWouldAcceptWhatIsNotSigned(t *testing.T) {
	good := provider.HMAC{Name: "acme", Secrets: secret("s"), Header: "X-Signature"}
	with := func(change func(*provider.HMAC)) provider.HMAC {
		s := good
		change(&s)
		return s
	}
	for _, row := range []struct {
		name   string
		scheme provider.HMAC
		want   string // "" for accepted
	}{
		{"the least there is", good, ""},
		{"no name", with(func(s *provider.HMAC) { s.Name = "" }), "Name"},
		{"a name in capitals", with(func(s *provider.HMAC) { s.Name = "Acme" }), "Name"},
		{"no header", with(func(s *provider.HMAC) { s.Header = "" }), "Header"},
		{"a header that is none", with(func(s *provider.HMAC) { s.Header = "X Signature" }), "Header"},
		{"a time header that is none", with(func(s *provider.HMAC) { s.TimestampHeader, s.Signed = "X:", "{timestamp}{body}" }), "TimestampHeader"},
		{"an id header that is none", with(func(s *provider.HMAC) { s.IDHeader, s.Signed = "ä", "{id}{body}" }), "IDHeader"},
		{"a hash that is none", with(func(s *provider.HMAC) { s.Hash = 999 }), "Hash"},
		{"a hash that is not linked in", with(func(s *provider.HMAC) { s.Hash = crypto.BLAKE2b_256 }), "Hash"},
		{"an encoding that is none", with(func(s *provider.HMAC) { s.Encoding = 9 }), "Encoding"},
		{"a secret format that is none", with(func(s *provider.HMAC) { s.SecretFormat = 9 }), "SecretFormat"},
		{"a time format that is none", with(func(s *provider.HMAC) { s.TimestampFormat = 9 }), "TimestampFormat"},
		{"pairs without a separator", with(func(s *provider.HMAC) { s.SignatureField = "v1" }), "Separator"},
		{"a time among pairs and a signature that is none of them", with(func(s *provider.HMAC) { s.TimestampField, s.Separator, s.Signed = "t", ",", "{timestamp}{body}" }), "SignatureField"},
		{"a negative tolerance", with(func(s *provider.HMAC) { s.Contract.Tolerance = -1 }), "Contract.Tolerance"},
		{"no body", with(func(s *provider.HMAC) { s.Signed = "{method}" }), "must have {body}"},
		{"a time that is not hashed", with(func(s *provider.HMAC) { s.TimestampHeader = "X-Time" }), "must have {timestamp}"},
		{"a time of nowhere", with(func(s *provider.HMAC) { s.Signed = "{timestamp}{body}" }), "Signed has {timestamp}"},
		{"two times", with(func(s *provider.HMAC) {
			s.TimestampHeader, s.TimestampJSON, s.Signed = "X-Time", "t", "{timestamp}{body}"
		}), "must be the only one"},
		{"an id that is not hashed", with(func(s *provider.HMAC) { s.IDHeader = "X-Id" }), "must have {id}"},
		{"an id of nowhere", with(func(s *provider.HMAC) { s.Signed = "{id}{body}" }), "IDHeader must be given"},
		{"a pair of no pairs", with(func(s *provider.HMAC) { s.Signed = "{field:env}{body}" }), "SignatureField must be given"},
		{"a placeholder that is none", with(func(s *provider.HMAC) { s.Signed = "{host}{body}" }), "must not have the placeholder {host}"},
		{"a header placeholder without a header", with(func(s *provider.HMAC) { s.Signed = "{header:}{body}" }), "must not have the placeholder"},
		{"a pair placeholder without a pair", with(func(s *provider.HMAC) { s.Signed = "{field:}{body}" }), "must not have the placeholder"},
		{"a JSON pair placeholder without a pair", with(func(s *provider.HMAC) { s.Signed = "{json:field:}{body}" }), "must not have the placeholder"},
		{"an open brace", with(func(s *provider.HMAC) { s.Signed = "{body" }), "must close every brace"},
		{"a closing brace", with(func(s *provider.HMAC) { s.Signed = "}{body}" }), "must close every brace"},
		{"braces that are meant", with(func(s *provider.HMAC) { s.Signed = `{{"b":{body}}}` }), ""},
		{"the URL", with(func(s *provider.HMAC) { s.Signed = "{url}{body}" }), ""},
		{"a short secret", with(func(s *provider.HMAC) { s.MinSecret = 16 }), "at least 16 bytes"},
		{"a base64 secret without a prefix", with(func(s *provider.HMAC) { s.SecretFormat = provider.Base64Secret; s.Secrets = secret("!") }), "must be base64"},
		{"a hexadecimal secret", with(func(s *provider.HMAC) { s.SecretFormat = provider.HexSecret; s.Secrets = secret("0g") }), "must be hexadecimal"},
		{"nothing behind the prefix", with(func(s *provider.HMAC) { s.SecretPrefix = "k_"; s.Secrets = secret("k_") }), "must not be empty after the prefix k_"},
	} {
		d := delivery{scheme: row.scheme}
		_, err := row.scheme.Prepare(d.completeSetup(t))
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

func TestEveryPlaceholder(t *testing.T) {
	d := delivery{
		scheme: provider.HMAC{
			Name: "acme", Secrets: secret("s"), Header: "X-Signature", Separator: ";", SignatureField: "sig", Prefix: "v1:",
			Encoding: provider.Base64URL, Hash: crypto.SHA512,
			TimestampField: "t", TimestampFormat: provider.RFC3339, IDHeader: "X-Id",
			Signed: "{{{method}|{url}|{target}|{id}|{timestamp}|{header:X-Event}|{field:env}|{json:field:env}|{body}|{json:body}}}",
		},
		url: "https://example.com/hook?a=1&b=%20",
	}
	const signed = `{POST|https://example.com/hook?a=1&b=%20|https://example.com/hook?a=1&b=%20|id-1|2025-11-24T16:00:00Z|paid|a"b|"a\"b"|"x"|"\"x\""}`
	r := d.request(t)
	r.Header.Set("X-Id", "id-1")
	r.Header.Set("X-Event", "paid")
	h := hmacOver(crypto.SHA512, "s", signed)
	r.Header.Set("X-Signature", `t=2025-11-24T16:00:00Z; env=a"b; sig=v1:`+base64URL(h))
	v := d.prepared(t)
	proof, err := v.Verify(r, []byte(`"x"`), now)
	if err != nil {
		t.Fatal(err)
	}
	if !proof.SentAt.Equal(now) {
		t.Errorf("sent at %v", proof.SentAt)
	}
	e := describe(v, r, []byte(`"x"`), proof)
	if e.ID != "id-1" || !e.IDSigned || strings.Join(e.SignedHeaders, " ") != "X-Event X-Id" {
		t.Errorf("%+v", e)
	}
	r.Header.Del("X-Event")
	if _, err := v.Verify(r, []byte(`"x"`), now); !errors.Is(err, webhook.ErrNoSignature) {
		t.Errorf("without a signed field: %v", err)
	}
	r.Header.Set("X-Event", "paid")
	r.Header.Set("X-Signature", r.Header.Get("X-Signature")+"; env=c")
	if _, err := v.Verify(r, []byte(`"x"`), now); !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("with a pair twice: %v", err)
	}
	if _, err := v.Verify(r, []byte("\xff"), now); !errors.Is(err, webhook.ErrPayload) && !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("with a body that is not UTF-8: %v", err)
	}
}

func TestURLSigningNeedsTheConfiguredURL(t *testing.T) {
	for _, id := range []string{"twilio", "square", "hubspot", "contentful", "rfc9421"} {
		scheme, err := provider.New(id, good(t, id)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []*url.URL{nil, {Path: "/hook"}, {Scheme: "ftp", Host: "example.com"}, {Scheme: "https", Host: "example.com", Fragment: "x"}} {
			if _, err := scheme.Prepare(webhook.Setup{PublicURL: u, Client: &http.Client{Transport: noNetwork{}}}); err == nil || !strings.Contains(err.Error(), "PublicURL") {
				t.Errorf("%s with the public URL %v: %v", id, u, err)
			}
		}
		for _, d := range selfSigned(t) {
			if d.scheme.Provider() != id {
				continue
			}
			v, r := d.prepared(t), d.request(t)
			r.Host = "evil.example"
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded", "X-Original-Url", "X-Rewrite-Url"} {
				r.Header.Set(name, "evil.example")
			}
			if _, err := v.Verify(r, []byte(d.body), now); err != nil {
				t.Errorf("%s behind a proxy that changes the host: %v", id, err)
			}
			r = d.request(t)
			r.URL.Path = "/behind/another/prefix"
			if _, err := v.Verify(r, []byte(d.body), now); err != nil {
				t.Errorf("%s behind a proxy that changes the path: %v", id, err)
			}
			d.setup.PublicURL = &url.URL{Scheme: "https", Host: "other.example", Path: "/hooks/in"}
			if id != "contentful" { // which signs the path alone
				if _, err := d.prepared(t).Verify(d.request(t), []byte(d.body), now); !errors.Is(err, webhook.ErrSignature) {
					t.Errorf("%s at another public URL: %v", id, err)
				}
			}
			d.setup.PublicURL = &url.URL{Scheme: "https", Host: "example.com", Path: "/hooks/other"}
			if _, err := d.prepared(t).Verify(d.request(t), []byte(d.body), now); !errors.Is(err, webhook.ErrSignature) {
				t.Errorf("%s at another public path: %v", id, err)
			}
			r = d.request(t)
			r.URL.RawQuery += "&more=1"
			if id != "square" { // which signs the URL as configured
				if _, err := v.Verify(r, []byte(d.body), now); err == nil {
					t.Errorf("%s with another query is accepted", id)
				}
			}
		}
	}
}

func TestSignKeepsWhatTheProviderLeavesFree(t *testing.T) {
	d := delivery{method: "PUT"}
	r := d.request(t)
	r.Header.Set("X-Zendesk-Webhook-Invocation-Id", "i")
	key := webhook.NewSecret("s")
	if _, err := (provider.Zendesk{}).Sign(r, nil, now, key); err != nil || r.Method != "PUT" || r.Header.Get("X-Zendesk-Webhook-Invocation-Id") != "i" {
		t.Errorf("%v, %s %v", err, r.Method, r.Header)
	}
	r = d.request(t)
	if _, err := (provider.GitHub{}).Sign(r, nil, now, key); err != nil || r.Method != "POST" {
		t.Errorf("GitHub uses POST alone: %v, %s", err, r.Method)
	}
	forge := provider.HMAC{Name: "acme", Header: "X-Signature", Signed: "{header:X-Event}{body}"}
	if _, err := forge.Sign(d.request(t), nil, now, key); err == nil {
		t.Error("a field that is signed and missing is not noticed")
	}
}

func TestAllSchemesSayWhoTheyAre(t *testing.T) {
	for _, id := range provider.IDs() {
		scheme, err := provider.New(id)
		if err != nil || scheme.Provider() != id {
			t.Errorf("%s: %v, %v", id, scheme, err)
		}
	}
	if got := (provider.HMAC{Name: "acme"}).Provider(); got != "acme" {
		t.Errorf("%q", got)
	}
}

func TestContractsSayHowLongAProviderWaits(t *testing.T) {
	for _, row := range []struct {
		id          string
		ack, window time.Duration
	}{
		{"slack", 3 * time.Second, time.Hour},
		{"github", 10 * time.Second, 0},
		{"stripe", 0, 72 * time.Hour},
		{"ghost", 2 * time.Second, time.Minute},
		{"msgraph", 3 * time.Second, 4 * time.Hour},
		{"shopify", 5 * time.Second, 4 * time.Hour},
		{"adyen", 10 * time.Second, 30 * 24 * time.Hour},
		{"sanity", 30 * time.Second, 2 * time.Minute},
		{"paddle", 5 * time.Second, 72 * time.Hour},
		{"linear", 5 * time.Second, 7*time.Hour + time.Minute},
		{"vercel", 30 * time.Second, 24 * time.Hour},
		{"storyblok", 120 * time.Second, 0},
		{"bitbucket", 10 * time.Second, 0},
		{"meta", 0, 7 * 24 * time.Hour},
		{"zendesk", 0, 0},
	} {
		scheme, err := provider.New(row.id, good(t, row.id)...)
		if err != nil {
			t.Fatal(err)
		}
		d := delivery{scheme: scheme}
		if c := d.prepared(t).Contract(); c.AckTimeout != row.ack || c.RetryWindow != row.window {
			t.Errorf("%s: %v and %v, want %v and %v", row.id, c.AckTimeout, c.RetryWindow, row.ack, row.window)
		}
	}
	for id, want := range map[string]int{"msgraph": 202, "discord": 204, "cloudevents": 204, "github": 0} {
		scheme, err := provider.New(id, good(t, id)...)
		if err != nil {
			t.Fatal(err)
		}
		if c := (delivery{scheme: scheme}).prepared(t).Contract(); c.Accepted.Status != want || c.Accepted.Body != nil {
			t.Errorf("%s is answered %d %q, want %d", id, c.Accepted.Status, c.Accepted.Body, want)
		}
	}
	adyen := delivery{scheme: provider.Adyen{Secrets: secret(strings.Repeat("ab", 32))}}
	if c := adyen.prepared(t).Contract(); string(c.Accepted.Body) != "[accepted]" {
		t.Errorf("Adyen is answered %q", c.Accepted.Body)
	}
	webSub := delivery{scheme: provider.WebSub{Secrets: secret("s")}}
	if c := webSub.prepared(t).Contract(); !c.IgnoreForged {
		t.Error("WebSub wants forged deliveries answered as if accepted")
	}
}

func TestATimeInTheBody(t *testing.T) {
	for _, row := range []struct {
		name   string
		format provider.TimeFormat
		body   string
		want   error
	}{
		{"a number", provider.UnixSeconds, `{"t":1764000000}`, nil},
		{"a string", provider.UnixSeconds, `{"t":"1764000000"}`, nil},
		{"deeper", provider.UnixSeconds, `{"t":{"t":1764000000}}`, webhook.ErrTimestamp},
		{"a date", provider.RFC3339, `{"t":"2025-11-24T16:00:00Z"}`, nil},
		{"a date with an escape", provider.RFC3339, `{"t":"2025-11-24T16:00:00\u005a"}`, nil},
		{"a date that is none", provider.RFC3339, `{"t":1764000000}`, webhook.ErrTimestamp},
		{"none", provider.UnixSeconds, `{}`, webhook.ErrTimestamp},
		{"null", provider.UnixSeconds, `{"t":null}`, webhook.ErrTimestamp},
		{"too old", provider.UnixSeconds, `{"t":1763990000}`, webhook.ErrTooOld},
		{"no JSON", provider.UnixSeconds, `t`, webhook.ErrTimestamp},
	} {
		s := provider.HMAC{Name: "acme", Header: "X-Signature", TimestampJSON: "t", TimestampFormat: row.format, Secrets: secret("s")}
		d := delivery{scheme: s, body: row.body}
		r := d.request(t)
		if _, err := s.Sign(r, []byte(row.body), now, webhook.NewSecret("s")); err != nil {
			t.Fatal(err)
		}
		if _, err := d.prepared(t).Verify(r, []byte(row.body), now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestTheCallersSlicesAreNotKept(t *testing.T) {
	s := provider.HMAC{
		Name: "acme", Header: "X-Signature", Secrets: secret("s"), EventType: provider.Source{JSON: []string{"type"}},
		Contract: webhook.Contract{Methods: []string{"PUT"}},
	}
	d := delivery{scheme: s}
	v := d.prepared(t)
	s.EventType.JSON[0], s.Contract.Methods[0], s.Secrets[0] = "other", "GET", webhook.NewSecret("other")
	if e := describe(v, d.request(t), []byte(`{"type":"paid"}`), webhook.Proof{}); e.Type != "paid" {
		t.Errorf("type %q", e.Type)
	}
	if got := v.Contract().Methods; len(got) != 1 || got[0] != "PUT" {
		t.Errorf("methods %q", got)
	}
	timed := delivery{scheme: provider.StandardWebhooks{Secrets: good(t, "standardwebhooks")}}
	v = timed.prepared(t)
	describe(v, timed.request(t), nil, webhook.Proof{}).SignedHeaders[0] = "changed"
	if e := describe(v, timed.request(t), nil, webhook.Proof{}); e.SignedHeaders[0] == "changed" {
		t.Error("an event's handler can change the next event")
	}
}
