package provider_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// statusOf returns what err is answered with.
func statusOf(err error) int {
	var coded interface{ StatusCode() int }
	if errors.As(err, &coded) {
		return coded.StatusCode()
	}
	return 500
}

func TestHandshakes(t *testing.T) {
	meta := provider.Meta{Secrets: secret("app"), VerifyToken: webhook.NewSecret("verify me")}
	dropbox := provider.Dropbox{Secrets: secret("app")}
	graph := provider.MicrosoftGraph{Secrets: secret("state")}
	x := provider.X{Secrets: secret("newest", "older")}
	webSub := provider.WebSub{Secrets: secret("hub"), Topics: []string{"https://example.com/feed"}}
	events := provider.CloudEvents{Secrets: secret("token"), Origins: []string{"eventemitter.example.com"}, Rate: 120}
	woo := provider.WooCommerce{Secrets: secret("woo")}
	intercom := provider.Intercom{Secrets: secret("app")}
	const none, refused, notFound = 0, 403, 404
	for _, row := range []struct {
		name   string
		scheme webhook.Scheme
		method string
		query  string
		header map[string]string
		body   string
		status int    // 0 for no handshake
		want   string // body of the answer
	}{
		{"Meta with the right token", meta, "GET", "hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=1158201444", nil, "", 200, "1158201444"},
		{"Meta with another token", meta, "GET", "hub.mode=subscribe&hub.verify_token=other&hub.challenge=1", nil, "", refused, ""},
		{"Meta without a token", meta, "GET", "hub.mode=subscribe&hub.challenge=1", nil, "", refused, ""},
		{"Meta with another mode", meta, "GET", "hub.mode=unsubscribe&hub.verify_token=verify+me&hub.challenge=1", nil, "", refused, ""},
		{"Meta without a mode", meta, "GET", "hub.verify_token=verify+me&hub.challenge=1", nil, "", refused, ""},
		{"Meta with a page as challenge", meta, "GET", "hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=%3Cscript%3E", nil, "", refused, ""},
		{"Meta without a challenge", meta, "GET", "hub.mode=subscribe&hub.verify_token=verify+me", nil, "", refused, ""},
		{"Meta with two tokens", meta, "GET", "hub.mode=subscribe&hub.verify_token=x&hub.verify_token=verify+me&hub.challenge=1", nil, "", refused, ""},
		{"Meta with a query that cannot be read", meta, "GET", "hub.mode=subscribe&%zz", nil, "", refused, ""},
		{"Meta before a token is configured", provider.Meta{Secrets: secret("app")}, "GET", "hub.mode=subscribe&hub.verify_token=&hub.challenge=1", nil, "", refused, ""},
		{"Meta by POST", meta, "POST", "hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=1", nil, "", none, ""},
		{"Dropbox", dropbox, "GET", "challenge=abc-123_XYZ", nil, "", 200, "abc-123_XYZ"},
		{"Dropbox without a challenge", dropbox, "GET", "", nil, "", refused, ""},
		{"Dropbox with a page as challenge", dropbox, "GET", "challenge=%3Csvg+onload%3Dalert(1)%3E", nil, "", refused, ""},
		{"Dropbox with a line break", dropbox, "GET", "challenge=a%0d%0aSet-Cookie:x", nil, "", refused, ""},
		{"Dropbox with a long challenge", dropbox, "GET", "challenge=" + strings.Repeat("a", 513), nil, "", refused, ""},
		{"Dropbox with two challenges", dropbox, "GET", "challenge=a&challenge=b", nil, "", refused, ""},
		{"Dropbox by POST", dropbox, "POST", "challenge=a", nil, "", none, ""},
		{
			"Graph", graph, "POST", "validationToken=Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+b8d1", nil, "", 200,
			"Validation: Testing client application reachability for subscription Request-Id: b8d1",
		},
		{"Graph with a page as token", graph, "POST", "validationToken=%3Cscript%3Ealert(1)%3C/script%3E", nil, "", refused, ""},
		{"Graph with an empty token", graph, "POST", "validationToken=", nil, "", refused, ""},
		{"Graph with a long token", graph, "POST", "validationToken=" + strings.Repeat("a", 1025), nil, "", refused, ""},
		{"Graph with two tokens", graph, "POST", "validationToken=a&validationToken=b", nil, "", refused, ""},
		{"Graph with a notification", graph, "POST", "validationToken=a", nil, `{"value":[]}`, none, ""},
		{"Graph by GET", graph, "GET", "validationToken=a", nil, "", none, ""},
		{"Graph without a token", graph, "POST", "", nil, "", none, ""},
		{"X", x, "GET", "crc_token=test", nil, "", 200, `{"response_token":"sha256=+Vw6SxYXHKYEA12awJAD5LLqF3gTmrsAHewvFpGhdkc="}`},
		{"X with what a delivery could be", x, "GET", "crc_token=%7B%22for_user_id%22%3A%221%22%7D", nil, "", refused, ""},
		{"X without a token", x, "GET", "", nil, "", refused, ""},
		{"X with two tokens", x, "GET", "crc_token=a&crc_token=b", nil, "", refused, ""},
		{"X by POST", x, "POST", "crc_token=test", nil, "{}", none, ""},
		{"WebSub, the topic asked for", webSub, "GET", "hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.challenge=c-1&hub.lease_seconds=86400", nil, "", 200, "c-1"},
		{"WebSub, another topic", webSub, "GET", "hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Fother&hub.challenge=c-1", nil, "", notFound, ""},
		{"WebSub, the end of another topic", webSub, "GET", "hub.mode=unsubscribe&hub.topic=https%3A%2F%2Fexample.com%2Fother&hub.challenge=c-1", nil, "", 200, "c-1"},
		{"WebSub, the end of the topic asked for", webSub, "GET", "hub.mode=unsubscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.challenge=c-1", nil, "", notFound, ""},
		{"WebSub, denied", webSub, "GET", "hub.mode=denied&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.reason=no", nil, "", 200, ""},
		{"WebSub, another mode", webSub, "GET", "hub.mode=publish", nil, "", refused, ""},
		{"WebSub, a page as challenge", webSub, "GET", "hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.challenge=%3Cb%3E", nil, "", refused, ""},
		{"WebSub, a query that cannot be read", webSub, "GET", "hub.mode=%zz", nil, "", refused, ""},
		{"WebSub by POST", webSub, "POST", "hub.mode=subscribe", nil, "", none, ""},
		{"CloudEvents from an allowed origin", events, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "500"}, "", 200, ""},
		{"CloudEvents from the same in capitals", events, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "EventEmitter.example.com"}, "", 200, ""},
		{"CloudEvents from another origin", events, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "evil.example"}, "", refused, ""},
		{"CloudEvents from a longer name", events, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "eventemitter.example.com.evil.example"}, "", refused, ""},
		{"CloudEvents without an origin", events, "OPTIONS", "", nil, "", refused, ""},
		{"CloudEvents from what is no name", events, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "a b"}, "", refused, ""},
		{"CloudEvents before origins are configured", provider.CloudEvents{Secrets: secret("t")}, "OPTIONS", "", map[string]string{"WebHook-Request-Origin": "a.example"}, "", refused, ""},
		{"CloudEvents by POST", events, "POST", "", map[string]string{"WebHook-Request-Origin": "eventemitter.example.com"}, "", none, ""},
		{"WooCommerce's ping", woo, "POST", "", nil, "webhook_id=17", 200, ""},
		{"WooCommerce's ping with a signature", woo, "POST", "", map[string]string{"X-WC-Webhook-Signature": "x"}, "webhook_id=17", none, ""},
		{"WooCommerce's ping with more in it", woo, "POST", "", nil, "webhook_id=17&x=1", none, ""},
		{"WooCommerce's ping without an id", woo, "POST", "", nil, "webhook_id=", none, ""},
		{"WooCommerce's delivery", woo, "POST", "", nil, strings.Repeat(`{"id":1}`, 20), none, ""},
		{"Intercom's HEAD", intercom, "HEAD", "", nil, "", 200, ""},
		{"Intercom's POST", intercom, "POST", "", nil, "{}", none, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := delivery{scheme: row.scheme, method: row.method, url: "https://example.com/hook?" + row.query, header: row.header}
			if row.query == "" {
				d.url = "https://example.com/hook"
			}
			setup := webhook.Setup{PublicURL: &url.URL{Scheme: "https", Host: "example.com"}, Client: &http.Client{Transport: noNetwork{}}}
			v, err := row.scheme.Prepare(setup)
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequest(row.method, "https://example.com/hook", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.RawQuery = row.query
			for name, value := range row.header {
				r.Header.Set(name, value)
			}
			reply, err := v.(webhook.Handshaker).Handshake(r, []byte(row.body))
			switch {
			case row.status == none:
				if reply != nil || err != nil {
					t.Errorf("got %v, %v; want no handshake", reply, err)
				}
			case row.status >= 400:
				if reply != nil || statusOf(err) != row.status || !errors.Is(err, webhook.ErrHandshake) {
					t.Errorf("got %v, %v (%d); want %d", reply, err, statusOf(err), row.status)
				}
			case err != nil || string(reply.Body) != row.want:
				t.Errorf("got %v, %v; want %q", reply, err, row.want)
			}
			if reply != nil && reply.JSON != strings.HasPrefix(row.want, "{") {
				t.Errorf("JSON is %v", reply.JSON)
			}
		})
	}
}

func TestCloudEventsGrantsWhatIsConfigured(t *testing.T) {
	for _, row := range []struct {
		name         string
		scheme       provider.CloudEvents
		origin, rate string
	}{
		{"an origin and a rate", provider.CloudEvents{Origins: []string{"a.example"}, Rate: 120}, "a.example", "120"},
		{"any origin and no limit", provider.CloudEvents{Origins: []string{"*"}}, "a.example", "*"},
	} {
		row.scheme.Secrets = secret("token")
		d := delivery{scheme: row.scheme, method: "OPTIONS", header: map[string]string{
			"WebHook-Request-Origin": "a.example", "WebHook-Request-Callback": "https://169.254.169.254/",
		}}
		reply, err := d.prepared(t).(webhook.Handshaker).Handshake(d.request(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		h := reply.Header
		if h.Get("WebHook-Allowed-Origin") != row.origin || h.Get("WebHook-Allowed-Rate") != row.rate || h.Get("Allow") != "POST" {
			t.Errorf("%s: %v", row.name, h)
		}
	}
	for _, scheme := range []provider.CloudEvents{
		{Secrets: secret("t"), Rate: -1},
		{Secrets: secret("t"), Origins: []string{"https://a.example"}},
		{Secrets: secret("t"), Origins: []string{""}},
	} {
		if _, err := scheme.Prepare(webhook.Setup{}); err == nil {
			t.Errorf("%v is accepted", scheme)
		}
	}
}

// These are signed like events. They are answered after they were verified, and are no events.
func TestSignedHandshakes(t *testing.T) {
	for _, row := range []struct {
		id, name, body string
		header         map[string]string
		status         int // 0 for an event
		want           string
	}{
		{"slack", "url_verification", `{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`, nil, 200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"},
		{"slack", "url_verification without a challenge", `{"type":"url_verification"}`, nil, 403, ""},
		{"slack", "url_verification with a page", `{"challenge":"<b>","type":"url_verification"}`, nil, 403, ""},
		{"slack", "an event", `{"type":"event_callback","event":{"type":"url_verification"},"challenge":"x"}`, nil, 0, ""},
		{"slack", "a command", `command=%2Fx&challenge=x&type=url_verification`, nil, 0, ""},
		{"discord", "a PING of interactions", `{"id":"1","type":1}`, nil, 200, `{"type":1}`},
		{"discord", "a PING of webhook events", `{"version":1,"application_id":"1","type":0}`, nil, 204, ""},
		{"discord", "a webhook event", `{"version":1,"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}`, nil, 0, ""},
		{"discord", "a command", `{"id":"1","type":2}`, nil, 0, ""},
		{"zoom", "an event", `{"event":"meeting.started","payload":{"plainToken":"x"}}`, nil, 0, ""},
		{"zoom", "a validation without a token", `{"event":"endpoint.url_validation","payload":{}}`, nil, 403, ""},
		{"zoom", "a validation with what a delivery could be", `{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1764000000:{}"}}`, nil, 403, ""},
		{"github", "a ping", `{"zen":"Design for failure.","hook_id":1}`, map[string]string{"X-GitHub-Event": "ping"}, 200, ""},
		{"github", "a ping as a form", "payload=%7B%22zen%22%3A%22x%22%2C%22hook_id%22%3A1%7D", map[string]string{"X-GitHub-Event": "ping", "Content-Type": "application/x-www-form-urlencoded"}, 200, ""},
		{"github", "a form that someone calls a ping", "payload=%7B%22action%22%3A%22opened%22%7D", map[string]string{"X-GitHub-Event": "ping", "Content-Type": "application/x-www-form-urlencoded"}, 0, ""},
		{"github", "a delivery that someone calls a ping", `{"action":"opened"}`, map[string]string{"X-GitHub-Event": "ping"}, 0, ""},
		{"github", "a push", `{"hook_id":1}`, map[string]string{"X-GitHub-Event": "push"}, 0, ""},
		{"bitbucket-server", "a ping", `{"test":true}`, map[string]string{"X-Event-Key": "diagnostics:ping"}, 200, ""},
		{"bitbucket-server", "a push", `{"test":true}`, map[string]string{"X-Event-Key": "repo:refs_changed"}, 0, ""},
		{"intercom", "a ping", `{"topic":"ping","id":"notif_1"}`, nil, 200, ""},
		{"intercom", "a notification", `{"topic":"conversation.user.created","id":"notif_1"}`, nil, 0, ""},
		{"line", "an empty batch", `{"destination":"U1","events":[]}`, nil, 200, ""},
		{"line", "a batch", `{"destination":"U1","events":[{"type":"message","webhookEventId":"1"}]}`, nil, 0, ""},
		{"prismic", "a test", `{"type":"test-trigger"}`, nil, 200, ""},
		{"prismic", "an update", `{"type":"api-update"}`, nil, 0, ""},
	} {
		t.Run(row.id+", "+row.name, func(t *testing.T) {
			scheme, r, body, verifying := signed(t, row.id, row.body)
			for name, value := range row.header {
				r.Header.Set(name, value)
			}
			d := delivery{scheme: scheme, setup: webhook.Setup{Secrets: []webhook.Secret{verifying}}, url: r.URL.String()}
			v := d.prepared(t)
			proof, err := v.Verify(r, body, now)
			if err != nil {
				t.Fatal(err)
			}
			e := describe(v, r, body, proof)
			reply, err := v.(webhook.Confirmer).Confirm(r, &e)
			switch {
			case row.status == 0:
				if reply != nil || err != nil {
					t.Errorf("got %v, %v; want an event", reply, err)
				}
			case row.status >= 400:
				if reply != nil || statusOf(err) != row.status {
					t.Errorf("got %v, %v; want %d", reply, err, row.status)
				}
			case err != nil || string(reply.Body) != row.want || reply.Status != row.status && (reply.Status != 0 || row.status != 200):
				t.Errorf("got %v, %v; want %d %q", reply, err, row.status, row.want)
			}
		})
	}
}

// The vector is elastic/beats x-pack/filebeat/input/http_endpoint/handler_test.go.
func TestZoomAnswersWithTheSecretThatVerified(t *testing.T) {
	zoom := provider.Zoom{Secrets: secret("newest", "secretValueTest")}
	body := []byte(`{"event":"endpoint.url_validation","event_ts":1654503849680,"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`)
	d := delivery{scheme: zoom}
	r := d.request(t)
	if _, err := zoom.Sign(r, body, now, webhook.NewSecret("secretValueTest")); err != nil {
		t.Fatal(err)
	}
	v := d.prepared(t)
	proof, err := v.Verify(r, body, now)
	if err != nil {
		t.Fatal(err)
	}
	e := describe(v, r, body, proof)
	reply, err := v.(webhook.Confirmer).Confirm(r, &e)
	if err != nil || !reply.JSON {
		t.Fatalf("%v, %v", reply, err)
	}
	var answer struct{ PlainToken, EncryptedToken string }
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.PlainToken != "qgg8vlvZRS6UYooatFL8Aw" || answer.EncryptedToken != "70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff" {
		t.Errorf("%+v", answer)
	}
	e.Proof.Secret = 7 // which SetSecrets has taken away meanwhile
	if _, err := v.(webhook.Confirmer).Confirm(r, &e); !errors.Is(err, webhook.ErrHandshake) {
		t.Errorf("with a secret that is gone: %v", err)
	}
}

func TestAHandshakeIsNotAnOracle(t *testing.T) {
	x := provider.X{Secrets: secret("app")}
	d := delivery{scheme: x, method: "GET", url: "https://example.com/hook?crc_token=forged"}
	v := d.prepared(t)
	reply, err := v.(webhook.Handshaker).Handshake(d.request(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Token string `json:"response_token"`
	}
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		t.Fatal(err)
	}
	post := delivery{scheme: x, header: map[string]string{"x-twitter-webhooks-signature": answer.Token}}
	if _, err := v.Verify(post.request(t), []byte("forged"), now); !errors.Is(err, webhook.ErrPayload) {
		t.Errorf("the answer to a handshake signs a delivery: %v", err)
	}
}
