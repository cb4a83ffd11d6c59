package provider_test

import (
	"crypto"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// file returns a file of testdata.
func file(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// members returns what of a JSON object is signed when the members named are.
func signedMembers(names ...string) func([]byte) string {
	return func(body []byte) string {
		var object map[string]any
		if json.Unmarshal(body, &object) != nil {
			return ""
		}
		var b strings.Builder
		for _, name := range names {
			var value any = object
			for part := range strings.SplitSeq(name, ".") {
				next, _ := value.(map[string]any)
				value = next[part]
			}
			text, _ := json.Marshal(value)
			b.WriteString(name + "=" + string(text) + "\n")
		}
		return b.String()
	}
}

// signedForm returns what of a form Twilio signs: names and values without a border.
func signedForm(body []byte) string {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return strings.NewReplacer("=", "", "&", "").Replace(form.Encode())
}

// published returns deliveries whose signatures others have published, made for this package's schemes.
func published(tb testing.TB) []delivery {
	tb.Helper()
	return []delivery{
		{
			name:   "TestWebhookSign",
			source: "standard-webhooks/libraries/go/webhook_test.go",
			scheme: provider.StandardWebhooks{Secrets: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
			header: map[string]string{
				"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
				"webhook-timestamp": "1614265330",
				"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			},
			body: `{"test": 2432232314}`,
			at:   1614265330,
			id:   "msg_p5jXN8AQM9LWM0D4loKWxJek",
		},
		{
			name:   "EventUtilityTest",
			source: "stripe/stripe-dotnet src/StripeTests/Services/Events/EventUtilityTest.cs",
			scheme: provider.Stripe{Secrets: secret("webhook_secret")},
			header: map[string]string{
				"Stripe-Signature": "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7",
			},
			body: "{\n  \"id\": \"evt_123\",\n  \"object\": \"event\",\n  \"account\": \"acct_123\",\n  \"api_version\": \"2017-05-25\",\n" +
				"  \"created\": 1533204620,\n  \"data\": {\n    \"object\": {\n      \"id\": \"cus_123\",\n      \"object\": \"customer\",\n" +
				"      \"created\": 123456789,\n      \"email\": \"test@stripe.com\",\n      \"livemode\": false,\n      \"metadata\": {}\n" +
				"    }\n  },\n  \"livemode\": false,\n  \"pending_webhooks\": 1,\n  \"request\": {\n    \"id\": \"req_123\",\n" +
				"    \"idempotency_key\": \"idempotency-key-123\"\n  },\n  \"type\": \"customer.created\"\n}\n",
			at:  1533204620,
			typ: "customer.created",
			id:  "evt_123",
		},
		{
			name:   "documentation",
			source: "docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
			scheme: provider.GitHub{Secrets: secret("It's a Secret to Everybody")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
				"X-GitHub-Event":      "issues",
				"X-GitHub-Delivery":   "72d3162e-cc78-11e3-81ab-4c9367dc0958",
			},
			free: []string{"X-GitHub-Event", "X-GitHub-Delivery"},
			body: "Hello, World!",
			typ:  "issues",
			id:   "72d3162e-cc78-11e3-81ab-4c9367dc0958",
		},
		{
			name:   "octokit",
			source: "octokit/webhooks-methods.js test/verify.test.ts",
			scheme: provider.GitHub{Secrets: secret("mysecret")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3",
			},
			body: `{"foo":"bar"}`,
		},
		{
			name:   "go-github",
			source: "google/go-github github/messages_test.go",
			scheme: provider.GitHub{Secrets: secret("0123456789abcdef")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=b1f8020f5b4cd42042f807dd939015c4a418bc1ff7f604dd55b0a19b5d953d9b",
			},
			body: `{"yo":true}`,
		},
		{
			name:   "convoy",
			source: "frain-dev/convoy pkg/verifier/verifier_test.go",
			scheme: provider.GitHub{Secrets: secret("Convoy")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=d7a154547e7c35e31c4c820e20237650939c3d34dae136e30a7757ca61abb4cf",
			},
			body: "Test Payload Body",
		},
		{
			name:   "manual verification",
			source: "docs.svix.com/receiving/verifying-payloads/how-manual",
			scheme: provider.Svix{Secrets: secret("whsec_plJ3nmyCDGBKInavdOK15jsl")},
			header: map[string]string{
				"svix-id":        "msg_loFOjxBNrRLzqYUf",
				"svix-timestamp": "1731705121",
				"svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
			},
			body: `{"event_type":"ping","data":{"success":true}}`,
			at:   1731705121,
			typ:  "ping",
			id:   "msg_loFOjxBNrRLzqYUf",
		},
		{
			name:   "Svix's sample",
			source: "docs.svix.com/receiving/verifying-payloads/how-manual",
			scheme: provider.Clerk{Secrets: secret("whsec_plJ3nmyCDGBKInavdOK15jsl")},
			header: map[string]string{
				"svix-id":        "msg_loFOjxBNrRLzqYUf",
				"svix-timestamp": "1731705121",
				"svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
			},
			body: `{"event_type":"ping","data":{"success":true}}`,
			at:   1731705121,
			typ:  "ping",
			id:   "msg_loFOjxBNrRLzqYUf",
		},
		{
			name:   "Svix's sample",
			source: "docs.svix.com/receiving/verifying-payloads/how-manual",
			scheme: provider.Resend{Secrets: secret("whsec_plJ3nmyCDGBKInavdOK15jsl")},
			header: map[string]string{
				"svix-id":        "msg_loFOjxBNrRLzqYUf",
				"svix-timestamp": "1731705121",
				"svix-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
			},
			body: `{"event_type":"ping","data":{"success":true}}`,
			at:   1731705121,
			typ:  "ping",
			id:   "msg_loFOjxBNrRLzqYUf",
		},
		{
			name:   "without the brand",
			source: "standard-webhooks/libraries/go/webhook_test.go",
			scheme: provider.Svix{Secrets: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
			header: map[string]string{
				"webhook-id":        "msg_p5jXN8AQM9LWM0D4loKWxJek",
				"webhook-timestamp": "1614265330",
				"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			},
			body: `{"test": 2432232314}`,
			at:   1614265330,
			id:   "msg_p5jXN8AQM9LWM0D4loKWxJek",
		},
		{
			name:   "library tests",
			source: "openai/openai-python tests/lib/test_webhooks.py",
			scheme: provider.OpenAI{Secrets: secret("whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=")},
			header: map[string]string{
				"webhook-id":        "wh_685c059ae39c8190af8c71ed1022a24d",
				"webhook-timestamp": "1750861210",
				"webhook-signature": "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
			},
			body: `{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, "type": "response.completed", "data": {"id": "resp_123"}}`,
			at:   1750861210,
			typ:  "response.completed",
			id:   "wh_685c059ae39c8190af8c71ed1022a24d",
		},
		{
			name:   "documentation",
			source: "support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
			scheme: provider.Bitbucket{Secrets: secret("It's a Secret to Everybody")},
			header: map[string]string{
				"X-Hub-Signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
				"X-Event-Key":     "repo:push",
				"X-Request-UUID":  "a-b",
			},
			body: "Hello World!",
			typ:  "repo:push",
			id:   "a-b",
			free: []string{"X-Event-Key", "X-Request-UUID"},
		},
		{
			name:   "repo-refs-changed",
			source: "go-playground/webhooks bitbucket-server/bitbucketserver_test.go",
			scheme: provider.BitbucketServer{Secrets: secret("secret")},
			header: map[string]string{
				"X-Hub-Signature": "sha256=8a60f7487d167f55886df87d4077192035d76f76a8e0b3a48fd8ae8cad25f391",
				"X-Event-Key":     "repo:refs_changed",
			},
			body: file(tb, "bitbucket-server.json"),
			typ:  "repo:refs_changed",
			free: []string{"X-Event-Key"},
		},
		{
			name:   "create-event",
			source: "go-playground/webhooks gitea/gitea_test.go",
			scheme: provider.Gitea{Secrets: secret("IsWishesWereHorsesWedAllBeEatingSteak!")},
			header: map[string]string{
				"X-Gitea-Signature": "6f250ac7a090096574758e31bd31770eab63dfd0459404f0c18431f1c6b9024a",
				"X-Gitea-Event":     "create",
			},
			body: file(tb, "gitea.json"),
			typ:  "create",
			free: []string{"X-Gitea-Event"},
		},
		{
			name:   "security_test",
			source: "slack-go/slack security_test.go",
			scheme: provider.Slack{Secrets: secret("e6b19c573432dcc6b075501d51b51bb8")},
			header: map[string]string{
				"X-Slack-Request-Timestamp": "1531431954",
				"X-Slack-Signature":         "v0=adada4ed31709aef585c2580ca3267678c6a8eaeb7e0c1aca3ee57b656886b2c",
			},
			body: `{"token":"aF5ynEYQH0dFN9imlgcADxDB","team_id":"XXXXXXXXX","api_app_id":"YYYYYYYYY","event":{"type":"app_mention","user":"AAAAAAAAA","text":"<@EEEEEEEEE> hello world","client_msg_id":"477cc591-ch73-a14z-4db8-g0cd76321bec","ts":"1531431954.000073","channel":"TTTTTTTTT","event_ts":"1531431954.000073"},"type":"event_callback","event_id":"TvBP7LRED7","event_time":1531431954,"authed_users":["EEEEEEEEE"]}`,
			at:   1531431954,
			typ:  "app_mention",
			id:   "TvBP7LRED7",
		},
		{
			name:   "documentation",
			source: "docs.slack.dev/authentication/verifying-requests-from-slack",
			scheme: provider.Slack{Secrets: secret("8f742231b10e8888abcd99yyyzzz85a5")},
			header: map[string]string{
				"X-Slack-Request-Timestamp": "1531420618",
				"X-Slack-Signature":         "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			},
			body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			at:   1531420618,
			typ:  "/webhook-collect",
		},
		{
			name:   "a form",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "vOEb5UThFn24KEfnOFLQY2AE5FY=",
			},
			body:    "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309&ReasonConferenceEnded=test&Reason=Participant",
			id:      "CA1234567890ABCDE",
			url:     "https://mycompany.com/myapp.php?foo=1&bar=2",
			covered: signedForm,
		},
		{
			name:   "a port that is not signed",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "vOEb5UThFn24KEfnOFLQY2AE5FY=",
			},
			body:    "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309&ReasonConferenceEnded=test&Reason=Participant",
			id:      "CA1234567890ABCDE",
			url:     "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
			covered: signedForm,
		},
		{
			name:   "http",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "n2xBNyzSW7rfYStDtOFiFMv7qNo=",
			},
			body:    "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309&ReasonConferenceEnded=test&Reason=Participant",
			id:      "CA1234567890ABCDE",
			url:     "http://mycompany.com/myapp.php?foo=1&bar=2",
			covered: signedForm,
		},
		{
			name:   "a port that is signed though the URL has none",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "kvajT1Ptam85bY51eRf/AJRuM3w=",
			},
			body:    "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309",
			id:      "CA1234567890ABCDE",
			url:     "https://mycompany.com/myapp.php?foo=1&bar=2",
			covered: signedForm,
		},
		{
			name:   "a small form",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "NBdBDr/T/lgjI+tlgpXjKZQZs/k=",
			},
			body:    "property=value&boolean=true",
			url:     "https://mycompany.com/myapp.php?foo=1&bar=2",
			covered: signedForm,
		},
		{
			name:   "JSON",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4=",
			},
			body: `{"property": "value", "boolean": true}`,
			url:  "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
		},
		{
			name:   "JSON and nothing else in the query",
			source: "twilio/twilio-go client/request_validator_test.go",
			scheme: provider.Twilio{Secrets: secret("12345")},
			header: map[string]string{
				"X-Twilio-Signature": "y77kIzt2vzLz71DgmJGsen2scGs=",
			},
			body: `{"property": "value", "boolean": true}`,
			url:  "https://mycompany.com/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
		},
		{
			name:   "eventwebhook_test",
			source: "sendgrid/sendgrid-go helpers/eventwebhook/eventwebhook_test.go",
			scheme: provider.SendGrid{Secrets: secret("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==")},
			header: map[string]string{
				"X-Twilio-Email-Event-Webhook-Signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
				"X-Twilio-Email-Event-Webhook-Timestamp": "1600112502",
			},
			body: "[{\"email\":\"hello@world.com\",\"event\":\"dropped\",\"reason\":\"Bounced Address\",\"sg_event_id\":\"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA\",\"sg_message_id\":\"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0\",\"smtp-id\":\"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>\",\"timestamp\":1600112492}]\r\n",
			at:   1600112502,
			typ:  "dropped",
			id:   "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
		},
		{
			name:   "WhatsApp.Webhook",
			source: "hexdocs.pm/whatsapp_sdk",
			scheme: provider.Meta{Secrets: secret("secret")},
			header: map[string]string{
				"X-Hub-Signature-256": "sha256=0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914",
			},
			body: "test",
		},
		{
			name:   "hapi-dropbox-webhooks",
			source: "npm hapi-dropbox-webhooks@1.1.0 test/index.js",
			scheme: provider.Dropbox{Secrets: secret("the_secret")},
			header: map[string]string{
				"X-Dropbox-Signature": "0a8c16b085420b960dc78664279fe09e936a2a01b1f91064869d9e77dfd64529",
			},
			body: `{"delta": {"users": [12345]}}`,
		},
		{
			name:   "a test notification",
			source: "square/square-nodejs-sdk tests/integration/webhooks.test.ts",
			scheme: provider.Square{Secrets: secret("Ibxx_5AKakO-3qeNVR61Dw")},
			header: map[string]string{
				"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=",
			},
			body: `{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}`,
			typ:  "webhooks.test_notification",
			id:   "ac3ac95b-f97d-458c-a6e6-18981597e05f",
			url:  "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
		},
		{
			name:   "plain characters",
			source: "square/square-nodejs-sdk tests/integration/webhooks.test.ts",
			scheme: provider.Square{Secrets: secret("signature-key")},
			header: map[string]string{
				"x-square-hmacsha256-signature": "W3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA=",
			},
			body: `{"data":{"type":"webhooks","id":"fake_id"}}`,
			url:  "https://webhook.site/webhooks",
		},
		{
			name:   "characters that HTML escapes",
			source: "square/square-nodejs-sdk tests/integration/webhooks.test.ts",
			scheme: provider.Square{Secrets: secret("signature-key")},
			header: map[string]string{
				"x-square-hmacsha256-signature": "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U=",
			},
			body: `{"data":{"type":"webhooks","id":">id<"}}`,
			url:  "https://webhook.site/webhooks",
		},
		{
			name:   "version 1",
			source: "developers.hubspot.com/docs/faq/v1-request-validation",
			scheme: provider.HubSpot{Secrets: secret("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"), InsecureLegacy: true},
			header: map[string]string{
				"X-HubSpot-Signature":         "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
				"X-HubSpot-Signature-Version": "v1",
			},
			body: `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`,
			typ:  "contact.creation",
			id:   "1",
		},
		{
			name:   "version 2, GET",
			source: "developers.hubspot.com/docs/faq/v2-request-validation",
			scheme: provider.HubSpot{Secrets: secret("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"), InsecureLegacy: true},
			header: map[string]string{
				"X-HubSpot-Signature":         "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e",
				"X-HubSpot-Signature-Version": "v2",
			},
			body:   "",
			method: "GET",
			url:    "https://www.example.com/webhook_uri",
		},
		{
			name:   "version 2, POST",
			source: "developers.hubspot.com/docs/faq/v2-request-validation",
			scheme: provider.HubSpot{Secrets: secret("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"), InsecureLegacy: true},
			header: map[string]string{
				"X-HubSpot-Signature":         "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
				"X-HubSpot-Signature-Version": "v2",
			},
			body: `{"example_field":"example_value"}`,
			url:  "https://www.example.com/webhook_uri",
		},
		{
			name:   "webhook_verifier_test",
			source: "PaddleHQ/paddle-go-sdk webhook_verifier_test.go",
			scheme: provider.Paddle{Secrets: secret("pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwIUuqiTBgI7gnWoV0Gr")},
			header: map[string]string{
				"Paddle-Signature": "ts=1710929255;h1=6c05ef8fa83c44d751be6d259ec955ce5638e2c54095bf128e408e2fce1589c8",
			},
			body: `{"data":{"id":"pri_01hsdn96k2hxjzsq5yerecdj9j","name":null,"status":"active","quantity":{"maximum":999999,"minimum":1},"tax_mode":"account_setting","product_id":"pro_01hsdn8qp7yydry3x1yeg6a9rv","unit_price":{"amount":"1000","currency_code":"USD"},"custom_data":null,"description":"testing","import_meta":null,"trial_period":null,"billing_cycle":{"interval":"month","frequency":1},"unit_price_overrides":[]},"event_id":"evt_01hsdn97563968dy0szkmgjwh3","event_type":"price.created","occurred_at":"2024-03-20T10:07:35.590857Z","notification_id":"ntf_01hsdn977e920kbgzt6r6c9rqc"}`,
			at:   1710929255,
			typ:  "price.created",
			id:   "evt_01hsdn97563968dy0szkmgjwh3",
		},
		{
			name:    "SignatureVersion 1",
			source:  "aws/aws-sdk-ruby gems/aws-sdk-sns/spec/message_verifier_spec.rb",
			scheme:  provider.AmazonSNS{TopicARNs: []string{"arn:aws:sns:us-east-2:295079676684:publish-and-verify-892f85fe-4836-424d-8188-ab85bef0f362"}, Secrets: secret(file(tb, "sns.pem"))},
			header:  map[string]string{},
			body:    "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"792cda85-518f-5dd3-9163-81d851212f3a\",\n  \"TopicArn\" : \"arn:aws:sns:us-east-2:295079676684:publish-and-verify-892f85fe-4836-424d-8188-ab85bef0f362\",\n  \"Message\" : \"Hello world\",\n  \"Timestamp\" : \"2022-07-28T21:23:58.317Z\",\n  \"SignatureVersion\" : \"1\",\n  \"Signature\" : \"ghtf+deOBAzHJJZ6s6CdRLfTQAlcGzq9naoFM1wi0CJiq//uVRuZnamrkWNF0fhouMFvuLVRwcz8PZLUMSfnmd5VpdTKpTyiKmy1qJAZXma0w+yi7G+I33hD1Jyk1Nbym2n0kqp3fVu2aoooiN2ZeLAT2bH0/BtjLSfN1yAOKNoprco4qV9gGUZinXJdj9a1YdNhDR2jKi33ldlsVtEXAtiaDklGEk7DgRKX38GerBPiLg3FdtgY6KC7cdeGpU/dGK+4hjc83Ive1HoFkAwqhpgInM2sMytBosoiXfCmOKmU4xeGD0gHDNZTlJUJQDlzw8Eag0H9f/5zXF9d3uy0YQ==\",\n  \"SigningCertURL\" : \"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem\",\n  \"UnsubscribeURL\" : \"https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-2:295079676684:publish-and-verify-892f85fe-4836-424d-8188-ab85bef0f362:2296bc94-7992-4be1-b15f-b97229b5c1d8\"\n}",
			at:      1659043438,
			typ:     "Notification",
			id:      "792cda85-518f-5dd3-9163-81d851212f3a",
			covered: signedMembers("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "SignatureVersion", "Signature"),
		},
		{
			name:    "SignatureVersion 2",
			source:  "aws/aws-sdk-ruby gems/aws-sdk-sns/spec/message_verifier_spec.rb",
			scheme:  provider.AmazonSNS{Secrets: secret(file(tb, "sns.pem")), InsecureAnyTopic: true},
			header:  map[string]string{},
			body:    "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"17dea24b-55c2-540b-8362-f916557af765\",\n  \"TopicArn\" : \"arn:aws:sns:us-east-2:295079676684:publish-and-verify-62674b1d-4295-426b-88e7-5fb75652a04e\",\n  \"Message\" : \"Hello world\",\n  \"Timestamp\" : \"2022-07-28T21:24:08.324Z\",\n  \"SignatureVersion\" : \"2\",\n  \"Signature\" : \"CXVqp9PfZAL+4JHS3Zxo1PFbQsvnOjvmYhtIf17TWpwc+iIVas8kZ8GopuzVzVMdatE7rCl/O4P91Zp05Dwz8lk8dLhfp8gSu3Njlzxlyrmzo9x3va3Jb7zFnedgS2GKnZWHGBdwTXho+TosNUE+3e10OMSlwN5XGDwX7+R3WL+rn+AXmFAqp3alg27sYa55h1dLE9cGszGPjScPdtF3BmZsUDMx9wSdNKsCk+vSvE8yBjnCmUl7laSFj3LzPVrlSwgNYCF3kYnNAkah7NplK4SFhJYLwS0HCVCQJKa8rVbQLf9cBTu60U402mrgy0bN8xWoyimzbYbrOMJjalqkUg==\",\n  \"SigningCertURL\" : \"https://sns.us-east-2.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem\",\n  \"UnsubscribeURL\" : \"https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-2:295079676684:publish-and-verify-62674b1d-4295-426b-88e7-5fb75652a04e:ad7d16e3-0a7c-46aa-b23e-ffaf02250cbe\"\n}",
			at:      1659043448,
			typ:     "Notification",
			id:      "17dea24b-55c2-540b-8362-f916557af765",
			covered: signedMembers("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "SignatureVersion", "Signature"),
		},
		{
			name:   "the sandbox sample of 2015",
			source: "paypal/PayPal-Python-SDK notifications_test.py",
			scheme: provider.PayPal{Secrets: secret("4JH86294D6297924G", file(tb, "paypal.pem"))},
			header: map[string]string{
				"PAYPAL-TRANSMISSION-ID":   "dfb3be50-fd74-11e4-8bf3-77339302725b",
				"PAYPAL-TRANSMISSION-TIME": "2015-05-18T15:45:13Z",
				"PAYPAL-CERT-URL":          "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
				"PAYPAL-AUTH-ALGO":         "sha256",
				"PAYPAL-TRANSMISSION-SIG":  "thy4/U002quzxFavHPwbfJGcc46E8rc5jzgyeafWm5mICTBdY/8rl7WJpn8JA0GKA+oDTPsSruqusw+XXg5RLAP7ip53Euh9Xu3UbUhQFX7UgwzE2FeYoY6lyRMiiiQLzy9BvHfIzNIVhPad4KnC339dr6y2l+mN8ALgI4GCdIh3/SoJO5wE64Bh/ueWtt8EVuvsvXfda2Le5a2TrOI9vLEzsm9GS79hAR/5oLexNz8UiZr045Mr5ObroH4w4oNfmkTaDk9Rj0G19uvISs5QzgmBpauKr7Nw++JI0pr/v5mFctQkoWJSGfBGzPRXawrvIIVHQ9Wer48GR2g9ZiApWg==",
			},
			body: file(tb, "paypal.json"),
			at:   1431963913,
			typ:  "PAYMENT.SALE.COMPLETED",
			id:   "WH-0G2756385H040842W-5Y612302CV158622M",
			free: []string{"PAYPAL-CERT-URL", "PAYPAL-AUTH-ALGO"},
		},
		{
			name:   "signature.test.ts",
			source: "sanity-io/webhook-toolkit test/signature.test.ts",
			scheme: provider.Sanity{Secrets: secret("test")},
			header: map[string]string{
				"sanity-webhook-signature": "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0",
			},
			body: `{"_id":"resume"}`,
			at:   1633519811,
		},
		{
			name:   "B.2.5",
			source: "RFC 9421, appendix B.2.5",
			scheme: provider.RFC9421{
				Secrets:    secret("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="),
				Components: []string{"date", "@authority", "content-type"}, InsecureUnsignedBody: true,
			},
			header: map[string]string{
				"Date":            "Tue, 20 Apr 2021 02:07:55 GMT",
				"Content-Type":    "application/json",
				"Content-Digest":  "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
				"Signature-Input": `sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`,
				"Signature":       "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
			},
			body: `{"hello": "world"}`,
			at:   1618884473,
			url:  "https://example.com/foo?param=Value&Pet=dog",
			free: []string{"Content-Digest"},
		},
		{
			name:   "B.2.6",
			source: "RFC 9421, appendix B.2.6",
			scheme: provider.RFC9421{
				Secrets:    secret("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="),
				Components: []string{"@method", "@path", "@authority"}, InsecureUnsignedBody: true,
			},
			header: map[string]string{
				"Date":            "Tue, 20 Apr 2021 02:07:55 GMT",
				"Content-Type":    "application/json",
				"Content-Digest":  "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
				"Signature-Input": `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
				"Signature":       "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
			},
			body: `{"hello": "world"}`,
			at:   1618884473,
			url:  "https://example.com/foo?param=Value&Pet=dog",
			free: []string{"Content-Digest"},
		},
		{
			name:   "a payments notification",
			source: "Adyen/adyen-node-api-library hmacValidator.spec.ts",
			scheme: provider.Adyen{Secrets: secret("DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00")},
			body: `{"live":"false","notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":` +
				`"ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="},"amount":{"currency":"EUR","value":1000},"eventCode":"EVENT",` +
				`"merchantAccountCode":"merchantAccount","merchantReference":"reference","originalReference":"originalReference",` +
				`"pspReference":"pspReference","success":"true"}}]}`,
			typ: "EVENT",
			id:  "pspReference:EVENT:true",
			covered: func(body []byte) string {
				var list struct {
					NotificationItems []struct{ NotificationRequestItem json.RawMessage }
				}
				if json.Unmarshal(body, &list) != nil || len(list.NotificationItems) != 1 {
					return ""
				}
				return signedMembers("pspReference", "originalReference", "merchantAccountCode", "merchantReference", "amount.value",
					"amount.currency", "eventCode", "success", "additionalData.hmacSignature")(list.NotificationItems[0].NotificationRequestItem)
			},
		},
	}
}

// The go-github tests sign with other hashes too. GitHub itself sends SHA-256 only here, so a scheme of one's own reads them.
func TestPublishedSignaturesWithOtherHashes(t *testing.T) {
	for _, row := range []struct{ hash, header, signature string }{
		{"sha1", "X-Hub-Signature", "sha1=126f2c800419c60137ce748d7672e77b65cf16d6"},
		{
			"sha512", "X-Hub-Signature-256",
			"sha512=8456767023c1195682e182a23b3f5d19150ecea598fde8cb85918f7281b16079471b1329f92b912c4d8bd7455cb159777db8f29608b20c7c87323ba65ae62e1f",
		},
	} {
		d := delivery{
			scheme: provider.HMAC{
				Name: "go-github", Secrets: secret("0123456789abcdef"), Hash: map[string]crypto.Hash{"sha1": crypto.SHA1, "sha512": crypto.SHA512}[row.hash],
				Header: row.header, Prefix: row.hash + "=",
			},
			header: map[string]string{row.header: row.signature},
		}
		if _, err := d.prepared(t).Verify(d.request(t), []byte(`{"yo":true}`), now); err != nil {
			t.Errorf("%s: %v", row.hash, err)
		}
		d.scheme = provider.GitHub{Secrets: secret("0123456789abcdef")}
		if _, err := d.prepared(t).Verify(d.request(t), []byte(`{"yo":true}`), now); err == nil {
			t.Errorf("GitHub accepts %s", row.hash)
		}
	}
}

func TestThePublishedVectorsOfTheSampleData(t *testing.T) {
	b, err := os.ReadFile(sample.Path(t, "webhook-vectors/paypal2.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := delivery{
		scheme: provider.PayPal{Secrets: secret("3TR748995U920805P", file(t, "paypal.pem"))},
		header: map[string]string{
			"PAYPAL-TRANSMISSION-ID":   "103e3700-8b0c-11e6-8695-6b62a8a99ac4",
			"PAYPAL-TRANSMISSION-TIME": "2016-10-05T14:57:40Z",
			"PAYPAL-CERT-URL":          "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
			"PAYPAL-AUTH-ALGO":         "SHA256withRSA",
			"PAYPAL-TRANSMISSION-SIG": "t8hlRk64rpEImZMKqgtp5dlWaT1W8ed/mf8Msos341QInVn3BMQubjAhM/cKiSJtW07VwJvSX7X4+YUmHBrm5BQ+CEkClke4Yf4ouhCK6GWsfs0J8cKkmjI0XxfJpPLgj" +
				"ROEWY3MXorwCtbvrEo5vrRI2+TyLkquBKAlM95LbNWG43lxMu0LHzsSRUBDdt5IP1b2CKqbcEJKGrC78iw+fJEQGagkJAiv3Qvpw8F/8q7FCQAZ3c81mzTvP4ZH3Xk2/nNznEA7eMi3u1EjSpTm" +
				"LfAb423ytX37Ts0QpmPNgxJe8wnMB/+fvt4xjYH6KNe+bIcYU30hUIe9O8c9UFwKuQ==",
		},
	}
	if _, err := d.prepared(t).Verify(d.request(t), b, time.Unix(1475679460, 0)); err != nil {
		t.Error(err)
	}
}
