package provider_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// delivered verifies body as the provider with this id signs it, and returns the event.
func delivered(tb testing.TB, id, body string, header map[string]string) webhook.Event {
	tb.Helper()
	scheme, err := provider.New(id)
	if err != nil {
		tb.Fatal(err)
	}
	return deliveredBy(tb, scheme, body, header)
}

func deliveredBy(tb testing.TB, scheme webhook.Scheme, body string, header map[string]string) webhook.Event {
	tb.Helper()
	signing, verifying, err := scheme.(webhook.Signer).GenerateSecret()
	if err != nil {
		tb.Fatal(err)
	}
	r := delivery{}.request(tb)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	sent, err := scheme.(webhook.Signer).Sign(r, []byte(body), now, signing)
	if err != nil {
		tb.Fatal(err)
	}
	d := delivery{scheme: scheme, setup: webhook.Setup{Secrets: []webhook.Secret{verifying}}, url: r.URL.String()}
	v := d.prepared(tb)
	proof, err := v.Verify(r, sent, now)
	if err != nil {
		tb.Fatalf("%s: %v", scheme.Provider(), err)
	}
	return describe(v, r, sent, proof)
}

func TestEventsSayWhatTheyAre(t *testing.T) {
	for _, row := range []struct {
		id, name, body string
		header         map[string]string
		typ            string
		typSigned      bool
		eventID        string
		idSigned       bool
	}{
		{"standardwebhooks", "an event", `{"type":"invoice.paid"}`, map[string]string{"webhook-id": "msg_1"}, "invoice.paid", true, "msg_1", true},
		{"svix", "an event", `{"type":"user.created"}`, map[string]string{"svix-id": "msg_1"}, "user.created", true, "msg_1", true},
		{"github", "an event", `{"action":"opened"}`, map[string]string{"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d-1"}, "issues", false, "d-1", false},
		{"gitlab", "a signed event", `{"object_kind":"push"}`, map[string]string{"webhook-id": "i-1", "X-Gitlab-Event": "Push Hook"}, "Push Hook", false, "i-1", true},
		{"gitlab", "a signed event without its field", `{"object_kind":"push"}`, map[string]string{"webhook-id": "i-1"}, "push", true, "i-1", true},
		{"slack", "an event", `{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}`, nil, "app_mention", true, "Ev1", true},
		{"slack", "a command", `command=%2Fdeploy&trigger_id=1`, nil, "/deploy", true, "", false},
		{"shopify", "an event", `{"id":1}`, map[string]string{"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "w-1"}, "orders/create", false, "w-1", false},
		{"twilio", "a JSON event", `{"x":1}`, nil, "", false, "", false},
		{"twilio", "a message", `MessageSid=SM1&MessageStatus=delivered`, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "delivered", true, "SM1", true},
		{"sendgrid", "a batch of one", `[{"event":"open","sg_event_id":"a"}]`, nil, "open", true, "a", true},
		{"sendgrid", "a batch of one kind", `[{"event":"open","sg_event_id":"a"},{"event":"open","sg_event_id":"b"}]`, nil, "open", true, "", false},
		{"sendgrid", "a batch of two kinds", `[{"event":"open","sg_event_id":"a"},{"event":"click","sg_event_id":"b"}]`, nil, "", false, "", false},
		{"discord", "an interaction", `{"id":"7","type":2}`, nil, "2", true, "7", true},
		{"discord", "a webhook event", `{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}`, nil, "ENTITLEMENT_CREATE", true, "", false},
		{"hubspot", "a batch of one", `[{"eventId":100,"subscriptionType":"contact.creation"}]`, nil, "contact.creation", true, "100", true},
		{"linear", "an event", sampleBody("linear"), map[string]string{"Linear-Delivery": "l-1"}, "Issue.create", true, "l-1", false},
		{"lemonsqueezy", "an event", `{"meta":{"event_name":"order_created"}}`, nil, "order_created", true, "", false},
		{"datocms", "an event", `{"entity_type":"item","event_type":"publish"}`, nil, "item.publish", false, "", false},
		{"datocms", "an event with its call", `{"webhook_call_id":"103216210","entity_type":"item","event_type":"publish"}`, nil, "item.publish", false, "103216210", false},
		{"datocms", "an event without its entity", `{"event_type":"publish"}`, nil, "publish", false, "", false},
		{"telegram", "a message", `{"update_id":7,"message":{"text":"hi"}}`, nil, "message", false, "7", false},
		{"telegram", "a message before its id", `{"message":{"text":"hi"},"update_id":7}`, nil, "message", false, "7", false},
		{"telegram", "nothing", `[]`, nil, "", false, "", false},
		{"msgraph", "one notification", `{"value":[{"id":"n1","changeType":"updated"}]}`, nil, "updated", false, "n1", false},
		{"msgraph", "a lifecycle event", `{"value":[{"lifecycleEvent":"missed"}]}`, nil, "missed", false, "", false},
		{"mailgun", "an event", `{"event-data":{"event":"opened"}}`, nil, "opened", false, "?", true},
		{"paypal", "an event", `{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED"}`, nil, "PAYMENT.SALE.COMPLETED", false, "WH-1", false},
		{"adyen", "one notification", `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":true}}]}`, nil, "CAPTURE", true, "p:CAPTURE:true", true},
		{"adyen", "two kinds", `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE"}},{"NotificationRequestItem":{"eventCode":"REFUND"}}]}`, nil, "", false, "", false},
		{"aws-sns", "a notification", `hello`, nil, "Notification", true, "?", true},
		{"contentful", "an event", `{}`, map[string]string{"X-Contentful-Topic": "ContentManagement.Entry.publish", "X-Contentful-Idempotency-Key": "k"}, "ContentManagement.Entry.publish", true, "k", true},
		{"sanity", "an event", `{}`, map[string]string{"sanity-operation": "update", "idempotency-key": "k"}, "update", false, "k", false},
		{"strapi", "an event", `{"event":"entry.publish"}`, nil, "entry.publish", false, "", false},
		{"cloudevents", "an event in binary mode", `{}`, map[string]string{"ce-id": "1", "ce-source": "/s", "ce-type": "com.example.x"}, "com.example.x", false, "1", false},
		{"cloudevents", "an event in structured mode", `{"id":"2","source":"/s","type":"com.example.y"}`, map[string]string{"Content-Type": "application/cloudevents+json; charset=utf-8", "ce-id": "1"}, "com.example.y", false, "2", false},
		{"rfc9421", "an event", `{}`, nil, "", false, "?", true},
		{"line", "one event", `{"events":[{"type":"follow","webhookEventId":"01H"}]}`, nil, "follow", true, "01H", true},
		{"webflow", "an event", `{"triggerType":"form_submission"}`, nil, "form_submission", true, "", false},
		{"typeform", "an event", `{"event_id":"e","event_type":"form_response"}`, nil, "form_response", true, "e", true},
		{"typeform", "an escaped id", `{"event_id":"e\u0031","event_type":"form_response"}`, nil, "form_response", true, "e1", true},
		{"typeform", "a body that is no JSON", `hello`, nil, "", false, "", false},
		{"typeform", "an id behind what is cut short", `{"a":{"b":[1,2`, nil, "", false, "", false},
		{"typeform", "an id behind a string that does not end", `{"a":"b`, nil, "", false, "", false},
		{"typeform", "an id behind a comma too many", `{"a":,"event_id":"e"}`, nil, "", false, "", false},
		{"typeform", "an id behind a bracket too many", `{"a":],"event_id":"e"}`, nil, "", false, "", false},
		{"typeform", "an id behind a sign that is none", `{"a":!,"event_id":"e"}`, nil, "", false, "", false},
		{"typeform", "a name without a value", `{"event_id"}`, nil, "", false, "", false},
		{"typeform", "a name that is none", `{event_id:"e"}`, nil, "", false, "", false},
		{"typeform", "an escape that is none", `{"event_id":"\x","event_type":"t"}`, nil, "t", true, "", false},
		{"typeform", "a long id", `{"event_id":"` + strings.Repeat("a", 1100) + `","event_type":"t"}`, nil, "t", true, "", false},
		{"typeform", "deep nesting", strings.Repeat(`{"a":[`, 100000), nil, "", false, "", false},
		{"line", "events that are no list", `{"events":{"type":"x"}}`, nil, "", false, "", false},
		{"line", "a list that is cut short", `{"events":[{"type":"x","webhookEventId":"1"} `, nil, "x", true, "1", true},
		{"line", "a list without commas", `{"events":[{"type":"x"} {"type":"y"}]}`, nil, "x", true, "", false},
		{"telegram", "a name that does not end", `{"message`, nil, "", false, "", false},
		{"telegram", "a name without a value", `{"message"}`, nil, "message", false, "", false},
		{"telegram", "an id alone", `{"update_id":7}`, nil, "", false, "7", false},
		{"slack", "a form that cannot be read", `command=%zz`, nil, "", false, "", false},
		{"typeform", "an id that is an object", `{"event_id":{},"event_type":null}`, nil, "", false, "", false},
	} {
		e := delivered(t, row.id, row.body, row.header)
		if row.eventID == "?" && e.ID != "" { // made up by Sign
			row.eventID = e.ID
		}
		got := fmt.Sprintf("type %q %v, id %q %v", e.Type, e.TypeSigned, e.ID, e.IDSigned)
		want := fmt.Sprintf("type %q %v, id %q %v", row.typ, row.typSigned, row.eventID, row.idSigned)
		if got != want {
			t.Errorf("%s, %s: %s; want %s", row.id, row.name, got, want)
		}
	}
}

func TestWhatCountsAsTheSameEvent(t *testing.T) {
	type h = map[string]string
	for _, row := range []struct {
		id, name      string
		body, other   string
		header, hWith h
		same          bool
	}{
		{"standardwebhooks", "the same id with another body", `{"a":1}`, `{"a":2}`, h{"webhook-id": "m"}, h{"webhook-id": "m"}, true},
		{"standardwebhooks", "another id with the same body", `{"a":1}`, `{"a":1}`, h{"webhook-id": "m"}, h{"webhook-id": "n"}, false},
		{"github", "a replay under a fresh id", `{"a":1}`, `{"a":1}`, h{"X-GitHub-Delivery": "1"}, h{"X-GitHub-Delivery": "2"}, true},
		{"github", "another body under the same id", `{"a":1}`, `{"a":2}`, h{"X-GitHub-Delivery": "1"}, h{"X-GitHub-Delivery": "1"}, false},
		{"stripe", "the same id", `{"id":"evt_1"}`, `{"id":"evt_1","pending_webhooks":0}`, nil, nil, true},
		{"shopify", "the same body under another topic", `{"id":1}`, `{"id":1}`, h{"X-Shopify-Topic": "orders/create"}, h{"X-Shopify-Topic": "orders/updated"}, false},
		{"shopify", "the same body from another shop", `{"id":1}`, `{"id":1}`, h{"X-Shopify-Shop-Domain": "a.myshopify.com"}, h{"X-Shopify-Shop-Domain": "b.myshopify.com"}, false},
		{"shopify", "a replay under a fresh id", `{"id":1}`, `{"id":1}`, h{"X-Shopify-Webhook-Id": "1"}, h{"X-Shopify-Webhook-Id": "2"}, true},
		{"woocommerce", "the same body under another topic", `{"id":1}`, `{"id":1}`, h{"X-WC-Webhook-Topic": "order.created"}, h{"X-WC-Webhook-Topic": "order.updated"}, false},
		{"woocommerce", "a replay under a fresh id", `{"id":1}`, `{"id":1}`, h{"X-WC-Webhook-Delivery-ID": "1"}, h{"X-WC-Webhook-Delivery-ID": "2"}, true},
		{"hubspot", "an attempt made again", `[{"eventId":1,"portalId":2,"attemptNumber":0}]`, `[{"eventId":1,"portalId":2,"attemptNumber":1}]`, nil, nil, true},
		{"hubspot", "one id in two accounts", `[{"eventId":1,"portalId":2}]`, `[{"eventId":1,"portalId":3}]`, nil, nil, false},
		{"hubspot", "a body that is no batch", `{"a":1}`, `{"a":2}`, nil, nil, false},
		{"line", "an attempt made again", `{"events":[{"webhookEventId":"1","deliveryContext":{"isRedelivery":false}},{"webhookEventId":"2"}]}`, `{"events":[{"webhookEventId":"1","deliveryContext":{"isRedelivery":true}},{"webhookEventId":"2"}]}`, nil, nil, true},
		{"line", "a batch of others", `{"events":[{"webhookEventId":"1"},{"webhookEventId":"2"}]}`, `{"events":[{"webhookEventId":"1"},{"webhookEventId":"3"}]}`, nil, nil, false},
		{"linear", "an attempt made again", sampleBody("linear"), `{"action":"create","type":"Issue","createdAt":"2025-11-24T16:00:00.000Z","data":{"id":"a"},"webhookTimestamp":1764000030000}`, nil, nil, true},
		{"linear", "another action", sampleBody("linear"), `{"action":"update","type":"Issue","createdAt":"2025-11-24T16:00:00.000Z","data":{"id":"a"},"webhookTimestamp":1764000000000}`, nil, nil, false},
		{"sendgrid", "the same events", `[{"sg_event_id":"a","x":1},{"sg_event_id":"b"}]`, `[{"sg_event_id":"a","x":2},{"sg_event_id":"b"}]`, nil, nil, true},
		{"adyen", "the same notification", `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":"true","reason":"a"}}]}`, `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":"true","reason":"b"}}]}`, nil, nil, true},
		{"adyen", "another result", `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":"true"}}]}`, `{"notificationItems":[{"NotificationRequestItem":{"pspReference":"p","eventCode":"CAPTURE","success":"false"}}]}`, nil, nil, false},
		{"telegram", "the same update", `{"update_id":1,"a":1}`, `{"update_id":1,"a":2}`, nil, nil, true},
		{"cloudevents", "the same id from another source", `{}`, `{}`, h{"ce-id": "1", "ce-source": "/a"}, h{"ce-id": "1", "ce-source": "/b"}, false},
		{"cloudevents", "the same event", `{"a":1}`, `{"a":2}`, h{"ce-id": "1", "ce-source": "/a"}, h{"ce-id": "1", "ce-source": "/a"}, true},
		{"twilio", "the same parameters in another order", `a=1&b=2`, `b=2&a=1`, h{"Content-Type": "application/x-www-form-urlencoded"}, h{"Content-Type": "application/x-www-form-urlencoded"}, true},
		{"twilio", "other parameters", `a=1&b=2`, `a=1&b=3`, h{"Content-Type": "application/x-www-form-urlencoded"}, h{"Content-Type": "application/x-www-form-urlencoded"}, false},
		{"twilio", "a replay under a fresh token", `a=1`, `a=1`, h{"Content-Type": "application/x-www-form-urlencoded", "I-Twilio-Idempotency-Token": "1"}, h{"Content-Type": "application/x-www-form-urlencoded", "I-Twilio-Idempotency-Token": "2"}, true},
		{"paypal", "another body in the same transmission", `{"id":"1"}`, `{"id":"2"}`, h{"Paypal-Transmission-Id": "t"}, h{"Paypal-Transmission-Id": "t"}, true},
		{"paypal", "another transmission", `{"id":"1"}`, `{"id":"1"}`, h{"Paypal-Transmission-Id": "t"}, h{"Paypal-Transmission-Id": "u"}, false},
		{"msgraph", "the same notifications", `{"value":[{"id":"1"},{"id":"2"}]}`, `{"value":[{"id":"1","x":1},{"id":"2"}]}`, nil, nil, true},
		{"datocms", "the same body", `{"event_triggered_at":"2025-11-24T16:00:00Z"}`, `{"event_triggered_at":"2025-11-24T16:00:00Z"}`, nil, nil, true},
		{"datocms", "a new attempt", `{"webhook_call_id":"1","attempted_auto_retries_count":0}`, `{"webhook_call_id":"1","attempted_auto_retries_count":1}`, nil, nil, true},
		{"datocms", "another call", `{"webhook_call_id":"1","event_triggered_at":"a"}`, `{"webhook_call_id":"2","event_triggered_at":"a"}`, nil, nil, false},
		{"datocms", "another time", `{"event_triggered_at":"2025-11-24T16:00:00Z"}`, `{"event_triggered_at":"2025-11-24T16:00:01Z"}`, nil, nil, false},
		{"strapi", "the same body", `{"a":1}`, `{"a":1}`, nil, nil, true},
		{"meta", "the same body", `{"a":1}`, `{"a":1}`, nil, nil, true},
		{"zoom", "the same body, signed anew", `{"a":1}`, `{"a":1}`, nil, nil, true},
		{"contentful", "a signed key", `{"a":1}`, `{"a":2}`, h{"X-Contentful-Idempotency-Key": "k"}, h{"X-Contentful-Idempotency-Key": "k"}, true},
		{"contentful", "no key", `{"a":1}`, `{"a":2}`, nil, nil, false},
		{"aws-sns", "another message", `a`, `a`, nil, nil, false},
	} {
		a, b := delivered(t, row.id, row.body, row.header), delivered(t, row.id, row.other, row.hWith)
		if (a.Key == b.Key) != row.same || a.Repeatable || b.Repeatable {
			t.Errorf("%s, %s: same is %v, want %v", row.id, row.name, a.Key == b.Key, row.same)
		}
	}
}

func TestTheSignedTimeTellsEqualBodiesApart(t *testing.T) {
	for _, id := range []string{"zendesk", "sanity", "hygraph", "ghost"} {
		scheme, err := provider.New(id)
		if err != nil {
			t.Fatal(err)
		}
		signing, verifying, _ := scheme.(webhook.Signer).GenerateSecret()
		d := delivery{scheme: scheme, setup: webhook.Setup{Secrets: []webhook.Secret{verifying}}}
		v := d.prepared(t)
		keys := map[webhook.Key]bool{}
		for _, at := range []time.Time{now, now, now.Add(time.Second)} {
			r := d.request(t)
			sent, err := scheme.(webhook.Signer).Sign(r, []byte(`{"_id":"a"}`), at, signing)
			if err != nil {
				t.Fatal(err)
			}
			proof, err := v.Verify(r, sent, now)
			if err != nil {
				t.Fatal(err)
			}
			keys[describe(v, r, sent, proof).Key] = true
		}
		if len(keys) != 2 {
			t.Errorf("%s: %d keys, want 2", id, len(keys))
		}
	}
}

func TestWhatCannotBeToldFromItsRepeat(t *testing.T) {
	for _, row := range []struct{ id, body string }{
		{"storyblok", `{"action":"published","story_id":1}`},
		{"dropbox", `{"list_folder":{"accounts":["dbid:1"]}}`},
		{"token", `{"tag":"posts"}`},
		{"prismic", `{"type":"api-update"}`},
		{"datocms", `{"message":"a custom payload"}`},
		{"cloudevents", `{}`},
		{"msgraph", `{"value":[{"changeType":"updated"}]}`},
	} {
		if e := delivered(t, row.id, row.body, nil); !e.Repeatable {
			t.Errorf("%s: deduplicated by %v", row.id, e.Key)
		}
	}
}

func TestSignedHeadersAreNamed(t *testing.T) {
	for _, row := range []struct {
		id   string
		want []string
	}{
		{"github", nil},
		{"standardwebhooks", []string{"Webhook-Id", "Webhook-Timestamp"}},
		{"svix", []string{"Svix-Id", "Svix-Timestamp"}},
		{"slack", []string{"X-Slack-Request-Timestamp"}},
		{"sendgrid", []string{"X-Twilio-Email-Event-Webhook-Timestamp"}},
		{"discord", []string{"X-Signature-Timestamp"}},
		{"paypal", []string{"Paypal-Transmission-Id", "Paypal-Transmission-Time"}},
		{"contentful", []string{"X-Contentful-Signed-Headers", "X-Contentful-Timestamp", "X-Contentful-Topic"}},
		{"rfc9421", []string{"Content-Digest"}},
		{"telegram", nil},
	} {
		e := delivered(t, row.id, `{}`, map[string]string{"X-Contentful-Topic": "x"})
		slices.Sort(e.SignedHeaders)
		if !slices.Equal(e.SignedHeaders, row.want) {
			t.Errorf("%s: %q, want %q", row.id, e.SignedHeaders, row.want)
		}
	}
}

func TestSecretsThatTravelAreNamed(t *testing.T) {
	for _, row := range []struct {
		scheme         webhook.Scheme
		headers, query []string
	}{
		{provider.Token{Secrets: secret("t"), Query: "token"}, nil, []string{"token"}},
		{provider.Token{Secrets: secret("t"), Header: "x-api-key", Bearer: true}, []string{"X-Api-Key", "Authorization"}, nil},
		{provider.GitLab{Secrets: secret("t")}, []string{"X-Gitlab-Token"}, nil},
		{provider.Telegram{Secrets: secret("t")}, []string{"X-Telegram-Bot-Api-Secret-Token"}, nil},
		{provider.CloudEvents{Secrets: secret("t")}, []string{"Authorization"}, []string{"access_token"}},
		{provider.Strapi{Secrets: secret("t")}, []string{"Authorization"}, nil},
		{provider.DatoCMS{Secrets: secret("t"), Header: "x-secret"}, []string{"X-Secret"}, nil},
		{provider.Meta{Secrets: secret("t")}, nil, []string{"hub.verify_token"}},
		{provider.GitHub{Secrets: secret("t")}, nil, nil},
	} {
		v, err := row.scheme.Prepare(webhook.Setup{Client: http.DefaultClient})
		if err != nil {
			t.Fatal(err)
		}
		c := v.Contract()
		if !slices.Equal(c.SecretHeaders, row.headers) || !slices.Equal(c.SecretQuery, row.query) {
			t.Errorf("%s: %q and %q, want %q and %q", row.scheme.Provider(), c.SecretHeaders, c.SecretQuery, row.headers, row.query)
		}
	}
}
