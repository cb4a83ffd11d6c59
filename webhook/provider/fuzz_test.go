package provider_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// Whatever stands in the field of the signature, it is refused with a reason, unless it has the one that is right.
func FuzzSignatureField(f *testing.F) {
	var rows []delivery
	for _, d := range append(published(f), selfSigned(f)...) {
		v, ok := d.scheme.(webhook.Signer)
		if !ok || len(d.header) == 0 || d.body == "" {
			continue
		}
		switch v.Provider() {
		case "aws-sns", "paypal", "rfc9421", "mailgun", "adyen", "prismic", "msgraph": // which have fuzz targets of their own, or none to fuzz
			continue
		}
		rows = append(rows, d)
	}
	for i, d := range rows {
		for _, value := range d.header {
			f.Add(uint(i), uint(0), value)
			f.Add(uint(i), uint(1), value)
			f.Add(uint(i), uint(2), value+","+value)
		}
	}
	for _, text := range []string{"", ",", "=", "t=,v1=", "t=1,t=2,v1=", "v1,", "sha256=", "v1,= v1a,=", strings.Repeat("t=1,", 1000)} {
		f.Add(uint(1), uint(0), text)
	}
	f.Fuzz(func(t *testing.T, row, field uint, value string) {
		d := rows[row%uint(len(rows))]
		names := make([]string, 0, len(d.header))
		for name := range d.header {
			names = append(names, name)
		}
		slices.Sort(names)
		name := names[field%uint(len(names))]
		r := d.request(t)
		r.Header.Set(name, value)
		_, err := d.prepared(t).Verify(r, []byte(d.body), time.Unix(d.at, 0))
		if err != nil {
			if !isReason(err) {
				t.Fatalf("%v is none of the reasons", err)
			}
			return
		}
		signature := d.header[name]
		if i := strings.LastIndexAny(signature, "=, "); i >= 0 && i < len(signature)-1 {
			signature = signature[i+1:]
		}
		if !slices.Contains(d.free, name) && !strings.Contains(value, strings.TrimRight(signature, "=")) {
			t.Fatalf("%s accepts %s: %q in place of %q", d.scheme.Provider(), name, value, d.header[name])
		}
	})
}

// Reading the fields of a message signature ends, with a reason, or with a signature that the key made.
func FuzzMessageSignature(f *testing.F) {
	const input = `sig=("@method" "@target-uri" "@query-param";name="a");created=1764000000;nonce="n";keyid="k"`
	f.Add(input, "sig=:AAAA:", digest, "a=b")
	f.Add(`sig=();created=1;x="\"\\";y=?0;z=tok/en;u=:aGk=:, b=(a b;c)`, "sig=:AAAA:, b=1", "sha-512=:AA==:, x=?1", "")
	f.Add(`a;b;c, d="x"`, `a=-12;b=*`, "", "%zz")
	f.Fuzz(func(t *testing.T, input, signature, contentDigest, query string) {
		d := delivery{scheme: provider.RFC9421{Secrets: secret(sharedSecret), InsecureUnsignedBody: true, Components: []string{}}}
		r := d.request(t)
		r.URL.RawQuery = query
		r.Header["Signature-Input"], r.Header["Signature"] = []string{input}, []string{signature}
		if contentDigest != "" {
			r.Header["Content-Digest"] = []string{contentDigest}
		}
		v := d.prepared(t)
		if _, err := v.Verify(r, []byte("x"), now); err == nil || !isReason(err) {
			t.Fatalf("%v", err)
		}
		if e := describe(v, r, []byte("x"), webhook.Proof{}); e.ID != "" {
			t.Fatalf("an unverified signature gives the id %q", e.ID)
		}
	})
}

func FuzzContentfulSignedHeaders(f *testing.F) {
	f.Add("x-contentful-signed-headers,x-contentful-timestamp", "1764000000000", "a=b")
	f.Add(",,host,HOST,x\x00", "NaN", "%")
	f.Fuzz(func(t *testing.T, list, timestamp, query string) {
		key := strings.Repeat("k", 64)
		d := delivery{scheme: provider.Contentful{Secrets: secret(key)}}
		r := d.request(t)
		r.URL.RawQuery = query
		r.Header.Set("X-Contentful-Signed-Headers", list)
		r.Header.Set("X-Contentful-Timestamp", timestamp)
		r.Header.Set("X-Contentful-Topic", "topic")
		r.Header.Set("X-Contentful-Signature", strings.Repeat("0", 64))
		v := d.prepared(t)
		if _, err := v.Verify(r, nil, now); err == nil || !isReason(err) {
			t.Fatalf("%v", err)
		}
		describe(v, r, nil, webhook.Proof{})
	})
}

// Bodies that carry their own proof are read before anything is verified.
func FuzzBodiesWithTheirOwnProof(f *testing.F) {
	for _, d := range append(published(f), selfSigned(f)...) {
		switch d.scheme.Provider() {
		case "aws-sns", "mailgun", "adyen", "prismic", "msgraph", "twilio":
			f.Add([]byte(d.body), "application/json")
		}
	}
	f.Add([]byte("timestamp=1764000000&token=t&signature=00"), "application/x-www-form-urlencoded")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nt\r\n--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte(`{"signature":{"timestamp":{}}}`), "")
	f.Add([]byte(strings.Repeat(`{"value":[`, 200)), "")
	var verifiers []webhook.Verifier
	for _, id := range []string{"aws-sns", "mailgun", "adyen", "prismic", "msgraph", "twilio", "x"} {
		scheme, err := provider.New(id, good(f, id)...)
		if err != nil {
			f.Fatal(err)
		}
		d := delivery{scheme: scheme}
		verifiers = append(verifiers, d.prepared(f))
	}
	f.Fuzz(func(t *testing.T, body []byte, mediaType string) {
		r := delivery{}.request(t)
		r.Header.Set("Content-Type", mediaType)
		r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(make([]byte, 20)))
		for _, v := range verifiers {
			if _, err := v.Verify(r, body, now); err == nil || !isReason(err) {
				t.Fatalf("%T: %v", v, err)
			}
			describe(v, r, body, webhook.Proof{})
		}
	})
}

// What is taken from a payload is what encoding/json reads there.
func FuzzMembers(f *testing.F) {
	for _, body := range []string{
		`{"event_id":"e","event_type":"t"}`, `{"a":{"event_id":"no"},"event_id":"e\u0031\n"}`, `{"event_id":1.5e3}`, `{"event_id":true}`, `{"event_id":null}`,
		`[{"event_id":"e"}]`, `{"event_id":["e"]}`, ` { "event_id" : "é" } `, `{"event_id":"e"`, `{"event\u005fid":"e"}`, `{"a":"}","event_id":"e"}`,
		`{"a":[1,[2,{}],"]"],"event_id":"e"}`, "\ufeff{}", "", `{"event_id":"e"} x`, `{,}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":}`, `{"a":]`, `{1:2}`,
	} {
		f.Add(body)
	}
	d := delivery{scheme: provider.Typeform{Secrets: secret("s")}}
	v := d.prepared(f)
	f.Fuzz(func(t *testing.T, body string) {
		e := describe(v, d.request(t), []byte(body), webhook.Proof{})
		if len(e.ID) > 1024 {
			t.Fatalf("an id of %d bytes", len(e.ID))
		}
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &object) != nil || strings.Count(body, "event") != strings.Count(body, `"event_id"`) || strings.Count(body, `"event_id"`) > 1 ||
			strings.Contains(body, `\u`) || !utf8.ValidString(body) {
			return // what is malformed, or names the member in some other way, is read as far as it can be
		}
		want := ""
		if raw, ok := object["event_id"]; ok && len(raw) <= 1024 {
			var value any
			d := json.NewDecoder(bytes.NewReader(raw))
			d.UseNumber()
			if err := d.Decode(&value); err != nil {
				t.Fatal(err)
			}
			switch value := value.(type) {
			case string:
				want = value
			case json.Number, bool:
				want = fmt.Sprint(value)
			}
		}
		if e.ID != want {
			t.Fatalf("%q: id %q, want %q", body, e.ID, want)
		}
	})
}

// The escaping is that of JSON.stringify: encoding/json without HTML escaping, but for the two separators that it alone escapes.
func FuzzStringify(f *testing.F) {
	for _, s := range []string{"", "a", `"\`, "\x00\x1f\x7f", "é\u2028\u2029\ufffd", "<>&", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if !utf8.ValidString(body) {
			return
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(body); err != nil {
			t.Fatal(err)
		}
		escaped := strings.TrimSuffix(b.String(), "\n")
		if strings.Contains(body, "\u2028") || strings.Contains(body, "\u2029") {
			return
		}
		signature := base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", `{"Body":`+escaped+`,"EnvironmentName":"e","TimeStamp":1764000000000}`))
		d := delivery{scheme: provider.Hygraph{Secrets: secret("s")}, header: map[string]string{"gcms-signature": "sign=" + signature + ", env=e, t=1764000000000"}}
		if _, err := d.prepared(t).Verify(d.request(t), []byte(body), now); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "{body}", "v0:{timestamp}:{body}", "{{{body}}}", "{", "}", "{header:X}{json:field:x}{body}", "{{body}}", "{body} end"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, signed string) {
		s := provider.HMAC{Name: "acme", Header: "X-Signature", Signed: signed, Secrets: secret("s")}
		d := delivery{scheme: s}
		v, err := s.Prepare(d.completeSetup(t))
		if err != nil {
			return
		}
		r := d.request(t)
		if _, err := s.Sign(r, []byte("body"), now, webhook.NewSecret("s")); err != nil {
			return // a field that the request does not have
		}
		if _, err := v.Verify(r, []byte("body"), now); err != nil {
			t.Fatalf("%q: what was signed is not accepted: %v", signed, err)
		}
		if _, err := v.Verify(r, []byte("Body"), now); err == nil {
			t.Fatalf("%q does not cover the body", signed)
		}
	})
}

// No secret makes Prepare panic, or shows in its error.
func FuzzSecrets(f *testing.F) {
	for _, s := range []string{"", " ", "whsec_", "whsec_AAAA", "whpk_AAAA", "whsk_", "arn:aws:sns:a:1:b", "-----BEGIN X-----", "MCow", strings.Repeat("ab", 32)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range provider.IDs() {
			scheme, err := provider.New(id, webhook.NewSecret(text))
			if err != nil {
				t.Fatal(err)
			}
			d := delivery{scheme: scheme}
			_, err = scheme.Prepare(d.completeSetup(t))
			if err != nil && len(text) > 12 && !strings.HasPrefix(text, "arn:") && strings.Contains(err.Error(), text) {
				t.Fatalf("%s: %v", id, err)
			}
		}
	})
}

// A handshake sends nothing back that a browser could read as anything but text.
func FuzzHandshake(f *testing.F) {
	for _, q := range []string{
		"hub.mode=subscribe&hub.verify_token=v&hub.topic=t&hub.challenge=c", "challenge=c", "crc_token=c", "validationToken=a%20b", "challenge=%3Cb%3E", "%zz", "a=1;b=2",
	} {
		f.Add(q, "GET")
		f.Add(q, "POST")
	}
	var handshakers []webhook.Handshaker
	for _, scheme := range []webhook.Scheme{
		provider.Meta{Secrets: secret("s"), VerifyToken: webhook.NewSecret("v")},
		provider.Dropbox{Secrets: secret("s")},
		provider.X{Secrets: secret("s")},
		provider.MicrosoftGraph{Secrets: secret("s")},
		provider.WebSub{Secrets: secret("s"), Topics: []string{"t"}},
		provider.CloudEvents{Secrets: secret("s"), Origins: []string{"*"}},
	} {
		d := delivery{scheme: scheme}
		handshakers = append(handshakers, d.prepared(f).(webhook.Handshaker))
	}
	f.Fuzz(func(t *testing.T, query, method string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{"Webhook-Request-Origin": {query}}}
		for _, h := range handshakers {
			reply, err := h.Handshake(r, nil)
			if err != nil && !isReason(err) {
				t.Fatalf("%T: %v", h, err)
			}
			if reply == nil {
				continue
			}
			for _, c := range reply.Body {
				if c < ' ' || c > '~' || !reply.JSON && strings.IndexByte("<>&\"'`{}\\", c) >= 0 {
					t.Fatalf("%T sends %q", h, reply.Body)
				}
			}
			if len(reply.Body) > 8<<10 {
				t.Fatalf("%T sends %d bytes", h, len(reply.Body))
			}
		}
	})
}
