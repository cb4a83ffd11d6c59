package provider_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testsender"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// confirmations answers as SNS does, and notes what it was asked.
type confirmations struct{ asked []string }

func (c *confirmations) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = append(c.asked, r.Method+" "+r.URL.String())
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<ConfirmSubscriptionResponse/>"))}, nil
}

// byID returns the provider with this id, with another body.
func byID(t *testing.T, id, body string) testsender.Provider {
	t.Helper()
	for _, p := range testsender.All() {
		if p.ID == id {
			p.Body = body
			return p
		}
	}
	t.Fatalf("package sender lacks %s", id)
	return testsender.Provider{}
}

// What the providers' documents expect to the letter, from an endpoint behind HTTP.
func TestIndependentHandshakesAreAnsweredAsDocumented(t *testing.T) {
	const slackChallenge = "3eZbrw1aBm2rZgRNFDxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
	signed := func(id, body string) testsender.Request { return byID(t, id, body).Send(sentBy(byID(t, id, body), 0)) }
	get := func(query string) testsender.Request {
		return testsender.Request{Method: "GET", URL: independentURL + "?" + query}
	}
	key := func(id string) []webhook.Secret { return secret(byID(t, id, "").Keys[0].Receiver) }
	zoom := provider.Zoom{Secrets: secret("secretValueTest")}
	ofZoom := byID(t, "zoom", `{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1764000000000,"event":"endpoint.url_validation"}`)
	ofZoom.Keys[0] = testsender.Key{Sender: "secretValueTest", Receiver: "secretValueTest"}
	forgedPing := signed("discord", `{"type":1}`)
	forgedPing.Header.Set("X-Signature-Ed25519", strings.Repeat("0", 128))
	ping := signed("github", `{"zen":"Keep it logically awesome.","hook_id":1}`)
	ping.Header.Set("X-GitHub-Event", "ping")
	try := signed("bitbucket-server", `{"test": true}`)
	try.Header.Set("X-Event-Key", "diagnostics:ping")
	options := testsender.Request{Method: "OPTIONS", URL: independentURL, Header: http.Header{"Webhook-Request-Origin": {"eventemitter.example.com"}, "Webhook-Request-Rate": {"120"}}}
	meta := provider.Meta{Secrets: key("meta"), VerifyToken: webhook.NewSecret("mytoken")}
	webSub := provider.WebSub{Secrets: key("websub"), Topics: []string{"https://example.com/feed"}}
	const text, json, none = "text/plain; charset=utf-8", "application/json", ""
	for _, row := range []struct {
		name        string
		scheme      webhook.Scheme
		request     testsender.Request
		status      int
		contentType string
		body        string
		header      map[string]string
	}{
		{"Slack's url_verification", provider.Slack{Secrets: key("slack")}, signed("slack", `{"token":"J","challenge":"`+slackChallenge+`","type":"url_verification"}`), 200, text, slackChallenge, nil},
		{
			"Zoom's endpoint.url_validation", zoom, ofZoom.Send(sentBy(ofZoom, 0)), 200, json,
			`{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"70c1f2e2e6ca2d39297490d1f9142c7d701415ea8e6151f6562a08fa657a40ff"}`, nil,
		},
		{"Meta's verification", meta, get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=mytoken"), 200, text, "1158201444", nil},
		{"Meta's verification with another token", meta, get("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=other"), 403, "application/problem+json", "*", nil},
		{"Dropbox's challenge", provider.Dropbox{Secrets: key("dropbox")}, get("challenge=abc123"), 200, text, "abc123", map[string]string{"X-Content-Type-Options": "nosniff"}},
		{"Discord's PING of interactions", provider.Discord{Secrets: key("discord")}, signed("discord", `{"type":1}`), 200, json, `{"type":1}`, nil},
		{"Discord's PING of events", provider.Discord{Secrets: key("discord")}, signed("discord", `{"version":1,"application_id":"1","type":0}`), 204, none, "", nil},
		{"Discord's forged PING", provider.Discord{Secrets: key("discord")}, forgedPing, 401, "application/problem+json", "*", nil},
		{
			"Graph's validation",
			provider.MicrosoftGraph{Secrets: key("msgraph")},
			testsender.Request{Method: "POST", URL: independentURL + "?validationToken=Validation%3a+Testing+client+application+reachability"},
			200, text, "Validation: Testing client application reachability", nil,
		},
		{
			"Graph's validation with a page in it",
			provider.MicrosoftGraph{Secrets: key("msgraph")},
			testsender.Request{Method: "POST", URL: independentURL + "?validationToken=%3Cscript%3E"},
			403, "application/problem+json", "*", nil,
		},
		{
			"CloudEvents' OPTIONS",
			provider.CloudEvents{Secrets: key("cloudevents"), Origins: []string{"eventemitter.example.com"}, Rate: 100},
			options, 200, none, "",
			map[string]string{"Webhook-Allowed-Origin": "eventemitter.example.com", "Webhook-Allowed-Rate": "100", "Allow": "POST"},
		},
		{"CloudEvents' OPTIONS from elsewhere", provider.CloudEvents{Secrets: key("cloudevents"), Origins: []string{"other.example.com"}}, options, 403, "application/problem+json", "*", map[string]string{"Webhook-Allowed-Origin": ""}},
		{"WebSub's verification", webSub, get("hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.challenge=c1&hub.lease_seconds=864000"), 200, text, "c1", nil},
		{"WebSub's verification of another topic", webSub, get("hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Fother&hub.challenge=c1"), 404, "application/problem+json", "*", nil},
		{"WebSub's verification of an end that nobody wants", webSub, get("hub.mode=unsubscribe&hub.topic=https%3A%2F%2Fexample.com%2Ffeed&hub.challenge=c1"), 404, "application/problem+json", "*", nil},
		{"Intercom's HEAD", provider.Intercom{Secrets: key("intercom")}, testsender.Request{Method: "HEAD", URL: independentURL}, 200, none, "", nil},
		{"Intercom's ping", provider.Intercom{Secrets: key("intercom")}, signed("intercom", `{"type":"notification_event","topic":"ping","id":"notif_1"}`), 200, none, "", nil},
		{"GitHub's ping", provider.GitHub{Secrets: key("github")}, ping, 200, none, "", nil},
		{"Bitbucket's test", provider.BitbucketServer{Secrets: key("bitbucket-server")}, try, 200, none, "", nil},
		{"LINE's test", provider.LINE{Secrets: key("line")}, signed("line", `{"destination":"U1","events":[]}`), 200, none, "", nil},
		{"Prismic's test", provider.Prismic{Secrets: key("prismic")}, signed("prismic", `{"type":"test-trigger"}`), 200, none, "", nil},
		{"WooCommerce's ping", provider.WooCommerce{Secrets: key("woocommerce")}, testsender.Request{
			Method: "POST", URL: independentURL, Body: "webhook_id=7", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		}, 200, none, "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer, events := answered(t, row.scheme, row.request, http.DefaultTransport)
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != row.status || answer.Header.Get("Content-Type") != row.contentType || row.body != "*" && string(body) != row.body {
				t.Errorf("%d %s %q, want %d %s %q", answer.StatusCode, answer.Header.Get("Content-Type"), body, row.status, row.contentType, row.body)
			}
			for name, value := range row.header {
				if answer.Header.Get(name) != value {
					t.Errorf("%s: %q, want %q", name, answer.Header.Get(name), value)
				}
			}
			if row.status < 300 && answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("a browser may sniff the answer")
			}
			if events != 0 {
				t.Errorf("%d events", events)
			}
		})
	}
}

// answered serves r at a new endpoint, and returns the answer and how many events came of it.
func answered(t *testing.T, scheme webhook.Scheme, r testsender.Request, transport http.RoundTripper) (answer *http.Response, events int) {
	t.Helper()
	endpoint, err := webhook.New(webhook.Config{
		Scheme: scheme, OnEvent: func(context.Context, webhook.Event) error { events++; return nil }, PublicURL: independentURL,
		Now: func() time.Time { return now }, Client: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), r.Method, r.URL, strings.NewReader(r.Body))
	maps.Copy(request.Header, r.Header)
	w := httptest.NewRecorder()
	endpoint.ServeHTTP(w, request)
	return w.Result(), events
}

// The subscription is confirmed with the token that was signed, at the host that is Amazon's, for a topic that is allowed.
func TestAnIndependentSubscriptionIsConfirmed(t *testing.T) {
	p := byID(t, "aws-sns", "")
	for _, row := range []struct {
		name, topic, subscribe string
		status                 int
		asked                  []string
	}{
		{
			"an allowed topic", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + testsender.SNSTopic + "&Token=2336412f37f", 200,
			[]string{"GET https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37f&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aorders"},
		},
		{"another topic", "arn:aws:sns:us-east-1:666666666666:orders", "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", 403, nil},
		{"a host that is not Amazon's", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription", 403, nil},
		{"a host behind a user", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com@evil.example/?Action=ConfirmSubscription", 403, nil},
		{"a port", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com:8443/?Action=ConfirmSubscription", 403, nil},
		{"a dot behind the host", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com./?Action=ConfirmSubscription", 403, nil},
		{"no encryption", testsender.SNSTopic, "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", 403, nil},
		{"another action", testsender.SNSTopic, "https://sns.us-east-1.amazonaws.com/?Action=DeleteTopic", 403, nil},
	} {
		var network confirmations
		answer, events := answered(t, provider.AmazonSNS{TopicARNs: []string{testsender.SNSTopic}, Secrets: secret(p.Keys[0].Receiver)},
			testsender.SNSSubscription(p.Keys[0], testsender.Date.Text(now), row.topic, row.subscribe), &network)
		if answer.StatusCode != row.status || events != 0 || strings.Join(network.asked, "\n") != strings.Join(row.asked, "\n") {
			t.Errorf("%s: %d, %d events, asked %q", row.name, answer.StatusCode, events, network.asked)
		}
	}
}
