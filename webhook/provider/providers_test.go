package provider_test

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// check verifies d and compares the reason.
func check(t *testing.T, name string, d delivery, want error) webhook.Proof {
	t.Helper()
	at := now
	if d.at != 0 {
		at = time.Unix(d.at, 0)
	}
	proof, err := d.prepared(t).Verify(d.request(t), []byte(d.body), at)
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	return proof
}

func TestGitLab(t *testing.T) {
	const signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	signedBy := func(key string) map[string]string {
		r := delivery{}.request(t)
		r.Header.Set("Webhook-Id", "i-1")
		if _, err := (provider.GitLab{}).Sign(r, []byte("{}"), now, webhook.NewSecret(key)); err != nil {
			t.Fatal(err)
		}
		header := map[string]string{}
		for name := range r.Header {
			header[name] = r.Header.Get(name)
		}
		return header
	}
	both := signedBy(signing)
	both["X-Gitlab-Token"] = "token"
	// What GitLab would send for a signing token that has no prefix: the text keys the hash.
	plain := signedBy(signing)
	plain["Webhook-Signature"] = "v1," + base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "token", fmt.Sprintf("i-1.%d.{}", now.Unix())))
	for _, row := range []struct {
		name    string
		secrets []string
		header  map[string]string
		want    error
		index   int
	}{
		{"a token", []string{"token"}, map[string]string{"X-Gitlab-Token": "token"}, nil, 0},
		{"the older of two tokens", []string{"new", "token"}, map[string]string{"X-Gitlab-Token": "token"}, nil, 1},
		{"another token", []string{"token"}, map[string]string{"X-Gitlab-Token": "Token"}, webhook.ErrSignature, 0},
		{"no token", []string{"token"}, nil, webhook.ErrNoSignature, 0},
		{"a signature", []string{signing}, signedBy(signing), nil, 0},
		{"a signature, behind a token in the list", []string{"token", signing}, signedBy(signing), nil, 1},
		{"a token alone, where a signing token is configured", []string{"token", signing}, map[string]string{"X-Gitlab-Token": "token"}, webhook.ErrNoSignature, 0},
		{"token and signature, where both are configured", []string{"token", signing}, both, nil, 1},
		{"token and signature, where a token is configured", []string{"token"}, both, nil, 0},
		{"a signature by another key", []string{"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, signedBy(signing), webhook.ErrSignature, 0},
		{"a signature by a token used as text", []string{"token"}, plain, nil, 0},
		{"a token as if it was a signature", []string{"token"}, signedBy(signing), webhook.ErrSignature, 0},
	} {
		d := delivery{scheme: provider.GitLab{Secrets: secret(row.secrets...)}, header: row.header, body: "{}"}
		if proof := check(t, row.name, d, row.want); proof.Secret != row.index {
			t.Errorf("%s: secret %d, want %d", row.name, proof.Secret, row.index)
		}
	}
	e := delivered(t, "gitlab", "{}", nil)
	if !e.IDSigned {
		t.Error("a signed id is not said to be")
	}
	d := delivery{scheme: provider.GitLab{Secrets: secret("token")}, header: map[string]string{"X-Gitlab-Token": "token", "Idempotency-Key": "k"}}
	v := d.prepared(t)
	if e := describe(v, d.request(t), nil, webhook.Proof{}); e.ID != "k" || e.IDSigned {
		t.Errorf("by a token: %+v", e)
	}
	r := d.request(t)
	if _, err := (provider.GitLab{}).Sign(r, nil, now, webhook.NewSecret("token")); err != nil || r.Header.Get("X-Gitlab-Token") != "token" {
		t.Errorf("%v, %v", err, r.Header)
	}
}

func TestStandardWebhooksWithPublicKeys(t *testing.T) {
	private := parsedPrivate(t, discordPrivate(t)).(ed25519.PrivateKey)
	public := "whpk_" + base64.StdEncoding.EncodeToString(private[32:])
	signing := webhook.NewSecret("whsk_" + base64.StdEncoding.EncodeToString(private))
	const shared = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	r := delivery{}.request(t)
	if _, err := (provider.StandardWebhooks{}).Sign(r, []byte("{}"), now, signing); err != nil {
		t.Fatal(err)
	}
	header := map[string]string{}
	for name := range r.Header {
		header[name] = r.Header.Get(name)
	}
	with := func(name, value string) map[string]string {
		h := map[string]string{}
		for n, v := range header {
			h[n] = v
		}
		h[name] = value
		return h
	}
	r = delivery{}.request(t)
	if _, err := (provider.StandardWebhooks{}).Sign(r, []byte("{}"), now, webhook.NewSecret(shared)); err != nil {
		t.Fatal(err)
	}
	sharedHeader := map[string]string{}
	for name := range r.Header {
		sharedHeader[name] = r.Header.Get(name)
	}
	other := "whpk_JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
	for _, row := range []struct {
		name    string
		secrets []string
		header  map[string]string
		at      time.Time
		want    error
		index   int
	}{
		{"by the public key", []string{public}, header, now, nil, 0},
		{"by the older of two public keys", []string{other, public}, header, now, nil, 1},
		{"by a public key behind a shared secret", []string{shared, public}, header, now, nil, 1},
		{"beside a signature of another version", []string{public}, with("Webhook-Signature", "v1,AAAA v2,AAAA "+header["Webhook-Signature"]), now, nil, 0},
		{"by another public key", []string{other}, header, now, webhook.ErrSignature, 0},
		{"by a shared secret alone", []string{shared}, header, now, webhook.ErrSignatureFormat, 0},
		{"as if it was the other version", []string{public}, with("Webhook-Signature", strings.Replace(header["Webhook-Signature"], "v1a", "v1", 1)), now, webhook.ErrSignatureFormat, 0},
		{"cut short", []string{public}, with("Webhook-Signature", "v1a,AAAA"), now, webhook.ErrSignatureFormat, 0},
		{"no base64", []string{public}, with("Webhook-Signature", "v1a,!"), now, webhook.ErrSignatureFormat, 0},
		{"without a signature", []string{public}, with("Webhook-Signature", ""), now, webhook.ErrNoSignature, 0},
		{"without an id", []string{public}, with("Webhook-Id", ""), now, webhook.ErrNoSignature, 0},
		{"under another id", []string{public}, with("Webhook-Id", "msg_2"), now, webhook.ErrSignature, 0},
		{"with a time that is none", []string{public}, with("Webhook-Timestamp", "NaN"), now, webhook.ErrSignature, 0},
		{"too old", []string{public}, header, now.Add(time.Hour), webhook.ErrTooOld, 0},
		{"too old by a shared secret, beside a public key", []string{shared, other}, sharedHeader, now.Add(time.Hour), webhook.ErrTooOld, 0},
		{"too new", []string{public}, header, now.Add(-time.Hour), webhook.ErrTooNew, 0},
	} {
		d := delivery{scheme: provider.StandardWebhooks{Secrets: secret(row.secrets...)}, header: row.header, body: "{}", at: row.at.Unix()}
		if proof := check(t, row.name, d, row.want); proof.Secret != row.index {
			t.Errorf("%s: secret %d, want %d", row.name, proof.Secret, row.index)
		}
	}
}

func TestHubSpotSignsSomeCharactersDecoded(t *testing.T) {
	for _, row := range []struct{ name, query, signed string }{
		{"none", "a=b&c=d%20e", "a=b&c=d%20e"},
		{"all twelve", "q=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B", "q=:/?@!$'()*,;"},
		{"in small letters", "q=%3a%2f", "q=:/"},
		{"others", "q=%25%26%3D%2B%C3%A9", "q=%25%26%3D%2B%C3%A9"},
		{"an escape that is none", "q=%zz%3", "q=%zz%3"},
	} {
		const timestamp = "1764000000000"
		want := "POST" + "https://example.com/hook?" + row.signed + "{}" + timestamp
		d := delivery{
			scheme: provider.HubSpot{Secrets: secret("s")},
			header: map[string]string{
				"X-HubSpot-Request-Timestamp": timestamp,
				"X-HubSpot-Signature-v3":      base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", want)),
			},
		}
		r := d.request(t)
		r.URL.RawQuery = row.query
		if _, err := d.prepared(t).Verify(r, []byte("{}"), now); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestHubSpotsOlderVersions(t *testing.T) {
	const v1 = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
	const v2 = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
	var batch string
	for _, d := range published(t) {
		if d.scheme.Provider() == "hubspot" && d.name == "version 1" {
			batch = d.body
		}
	}
	const secretText = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	const body = `{"example_field":"example_value"}`
	legacy := provider.HubSpot{Secrets: secret(secretText), InsecureLegacy: true}
	for _, row := range []struct {
		name   string
		scheme provider.HubSpot
		header map[string]string
		body   string
		want   error
	}{
		{"version 1, without being asked for", provider.HubSpot{Secrets: secret(secretText)}, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, batch, webhook.ErrNoSignature},
		{"version 1", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, batch, nil},
		{"version 1 as if it was 2", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v2"}, batch, webhook.ErrSignature},
		{"version 2 as if it was 1", legacy, map[string]string{"X-HubSpot-Signature": v2, "X-HubSpot-Signature-Version": "v1"}, "POSThttps://www.example.com/webhook_uri" + body, webhook.ErrPayload},
		{"another version", legacy, map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v4"}, batch, webhook.ErrSignatureFormat},
		{"no version", legacy, map[string]string{"X-HubSpot-Signature": v1}, batch, webhook.ErrNoSignature},
		{"no signature", legacy, nil, batch, webhook.ErrNoSignature},
		{"a signature that is cut short", legacy, map[string]string{"X-HubSpot-Signature": v1[:62], "X-HubSpot-Signature-Version": "v1"}, batch, webhook.ErrSignatureFormat},
		{"beside a wrong one of version 3", legacy, map[string]string{
			"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1", "X-HubSpot-Request-Timestamp": "1764000000000",
			"X-HubSpot-Signature-v3": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		}, batch, webhook.ErrSignature},
	} {
		check(t, row.name, delivery{scheme: row.scheme, header: row.header, body: row.body, url: "https://www.example.com/webhook_uri"}, row.want)
	}
	rotated := provider.HubSpot{Secrets: secret("new", secretText), InsecureLegacy: true}
	d := delivery{scheme: rotated, header: map[string]string{"X-HubSpot-Signature": v1, "X-HubSpot-Signature-Version": "v1"}, body: batch}
	if proof := check(t, "the older of two secrets", d, nil); proof.Secret != 1 {
		t.Errorf("secret %d", proof.Secret)
	}
	d.setup.Secrets = secret(secretText)
	check(t, "secrets that were replaced", d, nil)
}

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
		{"a signature in capitals", "", h{"x-contentful-signature": strings.ToUpper(sign("POST", "/hook", least, "{}")), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignatureFormat},
		{"a time that is none", "", h{"x-contentful-signature": sign("POST", "/hook", strings.ReplaceAll(least, ts, "NaN"), "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": "NaN"}, webhook.ErrTimestamp},
		{"the host", "", h{"x-contentful-signature": sign("POST", "/hook", "host:example.com;"+strings.ReplaceAll(least, "-headers:", "-headers:host,"), "{}"), "x-contentful-signed-headers": "host," + names, "x-contentful-timestamp": ts}, nil},
		{"a query as it is", "https://example.com/hook?a=b c&d=é", h{"x-contentful-signature": sign("POST", "/hook?a=b c&d=é", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"a query as the library encodes it", "https://example.com/hook?a=b%20c", h{"x-contentful-signature": sign("POST", "/hook?a%253Db%252520c", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, nil},
		{"another query", "https://example.com/hook?a=b", h{"x-contentful-signature": sign("POST", "/hook?a=c", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignature},
		{"another method", "", h{"x-contentful-signature": sign("PUT", "/hook", least, "{}"), "x-contentful-signed-headers": names, "x-contentful-timestamp": ts}, webhook.ErrSignature},
	} {
		d := delivery{scheme: provider.Contentful{Secrets: secret(key)}, header: row.header, body: "{}"}
		d.url = "https://example.com/hook"
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

func TestMailgun(t *testing.T) {
	mac := hex.EncodeToString(hmacOver(crypto.SHA256, "key", "1764000000tok"))
	block := func(timestamp, token, signature string) string {
		return fmt.Sprintf(`{"signature":{"timestamp":%s,"token":%q,"signature":%q},"event-data":{"event":"opened"}}`, timestamp, token, signature)
	}
	multipart := "--b\r\nContent-Disposition: form-data; name=\"timestamp\"\r\n\r\n1764000000\r\n--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\ntok\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\n" + mac + "\r\n--b--\r\n"
	for _, row := range []struct {
		name, mediaType, body string
		want                  error
	}{
		{"JSON", "application/json", block(`"1764000000"`, "tok", mac), nil},
		{"a time that is a number", "", block(`1764000000`, "tok", mac), nil},
		{"a form", "application/x-www-form-urlencoded", "timestamp=1764000000&token=tok&signature=" + mac + "&event=opened", nil},
		{"a form that says nothing of itself", "", "timestamp=1764000000&token=tok&signature=" + mac, nil},
		{"a multipart form", "multipart/form-data; boundary=b", multipart, nil},
		{"a multipart form that ends early", "multipart/form-data; boundary=b", multipart[:60], webhook.ErrPayload},
		{"a multipart form without a boundary", "multipart/form-data", multipart, webhook.ErrPayload},
		{"a form that cannot be read", "", "%zz", webhook.ErrPayload},
		{"a form with two tokens", "", "timestamp=1764000000&token=tok&token=x&signature=" + mac, webhook.ErrSignatureFormat},
		{"a parent's signature", "", strings.Replace(block(`"1764000000"`, "tok", mac), `"signature":"`, `"signature":"`+strings.Repeat("0", 64)+`","parent-signature":"`, 1), nil},
		{"JSON that is cut short", "", block(`"1764000000"`, "tok", mac)[:40], webhook.ErrPayload},
		{"two signatures", "", `{"signature":{},` + block(`"1764000000"`, "tok", mac)[1:], webhook.ErrPayload},
		{"no signature", "", `{"event-data":{}}`, webhook.ErrNoSignature},
		{"no token", "", block(`"1764000000"`, "", mac), webhook.ErrNoSignature},
		{"a token with a border in it", "", block(`"1764000000"`, "to.k", mac), webhook.ErrSignatureFormat},
		{"another token", "", block(`"1764000000"`, "tox", mac), webhook.ErrSignature},
		{"a digit moved from time to token", "", block(`"176400000"`, "0tok", mac), webhook.ErrTooOld},
		{"a time that is none", "", block(`"NaN"`, "tok", mac), webhook.ErrTimestamp},
		{"a time that is an object", "", block(`{}`, "tok", mac), webhook.ErrPayload},
		{"a signature in capitals", "", block(`"1764000000"`, "tok", strings.ToUpper(mac)), webhook.ErrSignatureFormat},
	} {
		d := delivery{scheme: provider.Mailgun{Secrets: secret("key")}, body: row.body, header: map[string]string{"Content-Type": row.mediaType}}
		check(t, row.name, d, row.want)
		e := describe(d.prepared(t), d.request(t), []byte(row.body), webhook.Proof{})
		if row.want == nil && e.ID != "tok" {
			t.Errorf("%s: id %q", row.name, e.ID)
		}
		if strings.Contains(row.body, "event") && row.want == nil && e.Type != "opened" {
			t.Errorf("%s: type %q", row.name, e.Type)
		}
	}
}

func TestAdyenForPlatforms(t *testing.T) {
	key := strings.Repeat("ab", 32)
	raw, _ := hex.DecodeString(key)
	const body = `{"type":"balancePlatform.transfer.created"}`
	signature := base64.StdEncoding.EncodeToString(hmacSHA256(raw, body))
	item := `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p"}}]}`
	for _, row := range []struct {
		name, signature, body string
		want                  error
	}{
		{"the whole body", signature, body, nil},
		{"another body", signature, body + " ", webhook.ErrSignature},
		{"a standard delivery under the other's signature", signature, item, webhook.ErrSignature},
		{"a signature that is cut short", signature[:40], body, webhook.ErrSignatureFormat},
		{"a standard delivery that is not signed", "", item, webhook.ErrNoSignature},
		{"an empty delivery", "", `{"notificationItems":[]}`, webhook.ErrNoSignature},
		{"no JSON", "", `x`, webhook.ErrPayload},
	} {
		d := delivery{scheme: provider.Adyen{Secrets: secret(key)}, body: row.body, header: map[string]string{"HmacSignature": row.signature}}
		if row.signature == "" {
			d.header = nil
		}
		check(t, row.name, d, row.want)
	}
	d := delivery{scheme: provider.Adyen{Secrets: secret(key)}, header: map[string]string{"HmacSignature": signature}}
	v := d.prepared(t)
	r := d.request(t)
	r.Header.Add("HmacSignature", signature)
	if _, err := v.Verify(r, []byte(body), now); !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("a signature twice: %v", err)
	}
	if e := describe(v, d.request(t), []byte(body), webhook.Proof{}); e.Type != "balancePlatform.transfer.created" || !e.TypeSigned {
		t.Errorf("%+v", e)
	}
	if e := describe(v, delivery{}.request(t), []byte("x"), webhook.Proof{}); e.Type != "" || e.ID != "" {
		t.Errorf("%+v", e)
	}
	// One notification that matches does not carry another that does not.
	two, err := provider.Adyen{}.Sign(d.request(t), []byte(`{"notificationItems":[{"NotificationRequestItem":{"pspReference":"a"}},{"NotificationRequestItem":{"pspReference":"b"}}]}`), now, webhook.NewSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	d.header, d.body = nil, string(two)
	check(t, "two that are signed", d, nil)
	d.body = strings.Replace(string(two), `"pspReference":"b"`, `"pspReference":"c"`, 1)
	check(t, "two of which one is changed", d, webhook.ErrSignature)
	if _, err := (provider.Adyen{}).Sign(d.request(t), []byte(`{"pspReference":1}`), now, webhook.NewSecret(key)); err == nil {
		t.Error("a reference that is a number is signed")
	}
}

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

func TestHygraphEscapesAsJavaScriptDoes(t *testing.T) {
	for _, row := range []struct{ name, body, escaped string }{
		{"nothing", `{}`, `{}`},
		{"quotation marks and backslashes", `{"a":"\n"}`, `{\"a\":\"\\n\"}`},
		{"what HTML would escape", `<a href='x'>&</a>`, `<a href='x'>&</a>`},
		{"control characters", "\x00\b\f\n\r\t\x1f\x7f", `\u0000\b\f\n\r\t\u001f` + "\x7f"},
		{"beyond ASCII", "é日𝄞", "é日𝄞"},
		{"line separators, which JSON.stringify leaves", "\u2028\u2029", "\u2028\u2029"},
		{"the replacement character itself", "\ufffd", "\ufffd"},
		{"more than a buffer", strings.Repeat("\"é", 5000), strings.Repeat(`\"é`, 5000)},
	} {
		signed := `{"Body":"` + row.escaped + `","EnvironmentName":"master","TimeStamp":1764000000000}`
		signature := base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", signed))
		d := delivery{
			scheme: provider.Hygraph{Secrets: secret("s")}, body: row.body,
			header: map[string]string{"gcms-signature": "sign=" + signature + ", env=master, t=1764000000000"},
		}
		check(t, row.name, d, nil)
	}
	for _, body := range []string{"\xff", "a\xc3", "\xed\xa0\x80"} {
		signature := base64.StdEncoding.EncodeToString(hmacOver(crypto.SHA256, "s", `{"Body":"`+body+`","EnvironmentName":"master","TimeStamp":1764000000000}`))
		d := delivery{
			scheme: provider.Hygraph{Secrets: secret("s")}, body: body,
			header: map[string]string{"gcms-signature": "sign=" + signature + ", env=master, t=1764000000000"},
		}
		check(t, "a body that is not UTF-8", d, webhook.ErrPayload)
	}
}

func TestIDsAreThoseOfTheData(t *testing.T) {
	ids := provider.IDs()
	if !slices.IsSorted(ids) {
		t.Error("IDs are not in order")
	}
	b, err := os.ReadFile(sample.Path(t, "webhook-providers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var data []struct{ ID string }
	if err := json.Unmarshal(b, &data); err != nil {
		t.Fatal(err)
	}
	for _, p := range data {
		if !slices.Contains(ids, p.ID) {
			t.Errorf("no provider has the id %q", p.ID)
		}
	}
}

func TestNewAndInspect(t *testing.T) {
	for _, f := range []func(string, ...webhook.Secret) (webhook.Scheme, error){provider.New, provider.Inspect} {
		if scheme, err := f("nobody"); scheme != nil || err == nil {
			t.Errorf("%v, %v", scheme, err)
		}
		for _, id := range provider.IDs() {
			if scheme, err := f(id); err != nil || scheme.Provider() != id {
				t.Errorf("%s: %v, %v", id, scheme, err)
			}
		}
	}
	inspected := func(id string, secrets ...string) webhook.Scheme {
		scheme, err := provider.Inspect(id, secret(secrets...)...)
		if err != nil {
			t.Fatal(err)
		}
		return scheme
	}
	var sns delivery
	for _, d := range published(t) {
		if d.name == "SignatureVersion 1" {
			sns = d
		}
	}
	sns.scheme = inspected("aws-sns", file(t, "sns.pem"))
	check(t, "a message of any topic", sns, nil)
	for _, row := range []struct {
		name   string
		scheme webhook.Scheme
		header map[string]string
		want   error
	}{
		{"Strapi's token in any field", inspected("strapi", "t"), map[string]string{"X-Any": "t"}, nil},
		{"Strapi's token in no field", inspected("strapi", "t"), map[string]string{"X-Any": "u"}, webhook.ErrSignature},
		{"no field at all", inspected("strapi", "t"), nil, webhook.ErrNoSignature},
		{"DatoCMS's token in any field", inspected("datocms", "t"), map[string]string{"X-Any": "t"}, nil},
		{"a token in its field", inspected("token", "t"), map[string]string{"X-Webhook-Token": "t"}, nil},
		{"a token as Bearer", inspected("token", "t"), map[string]string{"Authorization": "Bearer t"}, nil},
	} {
		check(t, row.name, delivery{scheme: row.scheme, header: row.header}, row.want)
	}
	d := delivery{scheme: inspected("strapi", "t")}
	r := d.request(t)
	r.Header["X-Any"] = []string{"t", "t"}
	if _, err := d.prepared(t).Verify(r, nil, now); !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("a field given twice: %v", err)
	}
	if _, err := inspected("rfc9421", "a secret that is text").Prepare(d.completeSetup(t)); err != nil {
		t.Errorf("a shared secret that is text: %v", err)
	}
	if meta := inspected("meta", "app", "verify").(provider.Meta); meta.VerifyToken.Reveal() != "verify" {
		t.Error("the last secret is not Meta's verify token")
	}
	if events := inspected("cloudevents", "t").(provider.CloudEvents); !slices.Equal(events.Origins, []string{"*"}) {
		t.Errorf("origins %q", events.Origins)
	}
	own := secret("a", "b")
	scheme, _ := provider.New("github", own...)
	own[0] = webhook.Secret{}
	if scheme.(provider.GitHub).Secrets[0].IsZero() {
		t.Error("the caller's slice is kept")
	}
}
