package provider_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestASignedTimeIsToleratedBothWays(t *testing.T) {
	tolerance := map[string]time.Duration{
		"aws-sns": time.Hour, "contentful": 30 * time.Second, "linear": time.Minute, "paddle": 5 * time.Second,
	}
	untimed := strings.Fields("adyen bitbucket bitbucket-server cloudevents datocms dropbox gitea github intercom lemonsqueezy line meta msgraph " +
		"prismic shopify square storyblok strapi telegram token twilio typeform vercel websub woocommerce x")
	for _, d := range selfSigned(t) {
		t.Run(d.scheme.Provider(), func(t *testing.T) {
			v, r, body := d.prepared(t), d.request(t), []byte(d.body)
			own := tolerance[d.scheme.Provider()]
			if own == 0 {
				own = 5 * time.Minute
			}
			for _, id := range untimed {
				if id == d.scheme.Provider() {
					if got := v.Contract().Tolerance; got != 0 {
						t.Errorf("no time is signed, and the contract tolerates %v", got)
					}
					if _, err := v.Verify(r, body, now.AddDate(10, 0, 0)); err != nil {
						t.Errorf("ten years later: %v", err)
					}
					return
				}
			}
			if got := v.Contract().Tolerance; got != own {
				t.Errorf("the contract tolerates %v, want %v", got, own)
			}
			for _, row := range []struct {
				name string
				at   time.Time
				want error
			}{
				{"at once", now, nil},
				{"at the edge of the past", now.Add(own), nil},
				{"at the edge of the future", now.Add(-own), nil},
				{"a second too late", now.Add(own + time.Second), webhook.ErrTooOld},
				{"a second too early", now.Add(-own - time.Second), webhook.ErrTooNew},
				{"ten years late", now.AddDate(10, 0, 0), webhook.ErrTooOld},
				{"ten years early", now.AddDate(-10, 0, 0), webhook.ErrTooNew},
				{"at the beginning of time", time.Time{}, webhook.ErrTooNew},
				{"a thousand years late", now.AddDate(1000, 0, 0), webhook.ErrTooOld},
			} {
				if _, err := v.Verify(r, body, row.at); !errors.Is(err, row.want) {
					t.Errorf("%s: %v, want %v", row.name, err, row.want)
				}
			}
			setup := d.setup
			d.setup.Tolerance = 2 * time.Hour
			if _, err := d.prepared(t).Verify(r, body, now.Add(2*time.Hour)); err != nil {
				t.Errorf("with a wider tolerance: %v", err)
			}
			if _, err := d.prepared(t).Verify(r, body, now.Add(2*time.Hour+time.Second)); !errors.Is(err, webhook.ErrTooOld) {
				t.Errorf("beyond a wider tolerance: %v", err)
			}
			d.setup = setup
			d.setup.InsecureAnyAge = true
			if _, err := d.prepared(t).Verify(r, body, now.AddDate(10, 0, 0)); err != nil {
				t.Errorf("at any age: %v", err)
			}
		})
	}
}

// The time must be malformed and signed: a time that nobody signed is refused for its signature.
func TestAMalformedTimeIsRefused(t *testing.T) {
	timed := provider.HMAC{
		Name: "acme", Header: "X-Signature", Signed: "{timestamp}.{body}", TimestampHeader: "X-Timestamp",
		Secrets: secret("a secret"),
	}
	// This signs any text as the time.
	forge := provider.HMAC{Name: "forge", Header: "X-Signature", Signed: "{header:X-Timestamp}.{body}"}
	for _, format := range []provider.TimeFormat{provider.UnixSeconds, provider.UnixMillis, provider.RFC3339} {
		for _, row := range []struct{ name, text string }{
			{"NaN", "NaN"},
			{"infinity", "Infinity"},
			{"a sign", "+1764000000"},
			{"a negative time", "-1764000000"},
			{"a fraction", "1764000000.0"},
			{"an exponent", "1.764e9"},
			{"hexadecimal", "0x69250000"},
			{"an underscore", "1_764_000_000"},
			{"a space behind", "1764000000 "},
			{"a space before", " 1764000000"},
			{"a tab behind", "1764000000\t"},
			{"a zero before", "01764000000"},
			{"a zero before milliseconds", "01764000000000"},
			{"many zeros before", "00000000000000001764000000"},
			{"zeros alone", "00"},
			{"other digits", "١٧٦٤٠٠٠٠٠٠"},
			{"more than 63 bits", "9223372036854775808"},
			{"more than 64 bits", "18446744073709551617"},
			{"far more", strings.Repeat("9", 400)},
			{"the year 10000", "253402300800000"},
			{"words", "yesterday"},
			{"a date without zone", "2025-11-24T16:00:00"},
			{"a date with a space", "2025-11-24 16:00:00Z"},
			{"a day that is none", "2025-02-30T16:00:00Z"},
			{"an hour of one digit", "2025-11-24T6:00:00Z"},
			{"a comma before the fraction", "2025-11-24T16:00:00,5Z"},
			{"an offset of a day", "2025-11-24T16:00:00+24:00"},
		} {
			t.Run(fmt.Sprint(format, row.name), func(t *testing.T) {
				s := timed
				s.TimestampFormat = format
				d := delivery{scheme: s}
				r := d.request(t)
				r.Header.Set("X-Timestamp", row.text)
				if _, err := forge.Sign(r, []byte("x"), now, webhook.NewSecret("a secret")); err != nil {
					t.Fatal(err)
				}
				if _, err := d.prepared(t).Verify(r, []byte("x"), now); !errors.Is(err, webhook.ErrTimestamp) {
					t.Errorf("%v", err)
				}
			})
		}
	}
	d := delivery{scheme: timed, header: map[string]string{"X-Timestamp": "253402300799"}}
	r := d.request(t)
	if _, err := forge.Sign(r, nil, now, webhook.NewSecret("a secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.prepared(t).Verify(r, nil, now); !errors.Is(err, webhook.ErrTooNew) {
		t.Errorf("the end of the year 9999: %v", err)
	}
}

func TestAReplayWithAFreshTimeIsRefused(t *testing.T) {
	later := now.Add(time.Hour)
	for _, row := range []struct {
		id     string
		header string
		value  string
	}{
		{"slack", "X-Slack-Request-Timestamp", fmt.Sprint(later.Unix())},
		{"zoom", "X-Zm-Request-Timestamp", fmt.Sprint(later.Unix())},
		{"standardwebhooks", "Webhook-Timestamp", fmt.Sprint(later.Unix())},
		{"hubspot", "X-Hubspot-Request-Timestamp", fmt.Sprint(later.UnixMilli())},
		{"webflow", "X-Webflow-Timestamp", fmt.Sprint(later.UnixMilli())},
		{"zendesk", "X-Zendesk-Webhook-Signature-Timestamp", later.UTC().Format(time.RFC3339)},
		{"contentful", "X-Contentful-Timestamp", fmt.Sprint(later.UnixMilli())},
		{"sendgrid", "X-Twilio-Email-Event-Webhook-Timestamp", fmt.Sprint(later.Unix())},
		{"discord", "X-Signature-Timestamp", fmt.Sprint(later.Unix())},
		{"paypal", "Paypal-Transmission-Time", later.UTC().Format(time.RFC3339)},
		{"linear", "Linear-Timestamp", fmt.Sprint(later.UnixMilli())}, // which nobody signs, and nobody reads
	} {
		for _, d := range selfSigned(t) {
			if d.scheme.Provider() != row.id {
				continue
			}
			r := d.request(t)
			r.Header.Set(row.header, row.value)
			_, err := d.prepared(t).Verify(r, []byte(d.body), later)
			if want := map[bool]error{false: webhook.ErrSignature, true: webhook.ErrTooOld}[row.id == "linear"]; !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", row.id, err, want)
			}
		}
	}
}

func TestSeveralSignaturesInOneField(t *testing.T) {
	stripe := provider.Stripe{Secrets: secret("webhook_secret")}
	standard := provider.StandardWebhooks{Secrets: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}
	paddle := provider.Paddle{Secrets: secret("old", "new")}
	const (
		good  = "2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
		wrong = "3330f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
		v1    = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		other = "v1,AAAAA9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"
	)
	var stripeBody, standardBody string
	for _, d := range published(t) {
		switch d.name {
		case "EventUtilityTest":
			stripeBody = d.body
		case "TestWebhookSign":
			standardBody = d.body
		}
	}
	paddleField := func(secrets ...string) string {
		var parts []string
		for _, s := range secrets {
			r, _ := http.NewRequest("POST", "https://example.com", nil)
			if _, err := paddle.Sign(r, []byte("{}"), now, webhook.NewSecret(s)); err != nil {
				t.Fatal(err)
			}
			time, signature, _ := strings.Cut(r.Header.Get("Paddle-Signature"), ";")
			if parts == nil {
				parts = append(parts, time)
			}
			parts = append(parts, signature)
		}
		return strings.Join(parts, ";")
	}
	for _, row := range []struct {
		name   string
		scheme webhook.Scheme
		header string
		value  string
		body   string
		at     time.Time
		want   error
	}{
		{"the second of two", stripe, "Stripe-Signature", "t=1533204620,v1=" + wrong + ",v1=" + good, stripeBody, time.Unix(1533204620, 0), nil},
		{"the first of two", stripe, "Stripe-Signature", "t=1533204620,v1=" + good + ",v1=" + wrong, stripeBody, time.Unix(1533204620, 0), nil},
		{"with space", stripe, "Stripe-Signature", "t=1533204620, v1=" + good, stripeBody, time.Unix(1533204620, 0), nil},
		{"beside one of the test version", stripe, "Stripe-Signature", "t=1533204620,v0=" + wrong + ",v1=" + good, stripeBody, time.Unix(1533204620, 0), nil},
		{"only of the test version", stripe, "Stripe-Signature", "t=1533204620,v0=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"of a later version", stripe, "Stripe-Signature", "t=1533204620,v2=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"two times", stripe, "Stripe-Signature", "t=1533204620,t=1533204620,v1=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"two times, the first empty", stripe, "Stripe-Signature", "t=,t=1533204620,v1=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"two times, the second empty", stripe, "Stripe-Signature", "t=1533204620,t=,v1=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"no time", stripe, "Stripe-Signature", "v1=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrTimestamp},
		{"an empty time", stripe, "Stripe-Signature", "t=,v1=" + good, stripeBody, time.Unix(1533204620, 0), webhook.ErrTimestamp},
		{"an empty signature", stripe, "Stripe-Signature", "t=1533204620,v1=", stripeBody, time.Unix(1533204620, 0), webhook.ErrSignatureFormat},
		{"two wrong ones", stripe, "Stripe-Signature", "t=1533204620,v1=" + wrong + ",v1=" + wrong, stripeBody, time.Unix(1533204620, 0), webhook.ErrSignature},
		{"nothing but separators", stripe, "Stripe-Signature", ",,,", stripeBody, time.Unix(1533204620, 0), webhook.ErrTimestamp},
		{"the second of two", standard, "Webhook-Signature", other + " " + v1, standardBody, time.Unix(1614265330, 0), nil},
		{"beside an asymmetric one that nobody can check", standard, "Webhook-Signature", "v1a,AAAA " + v1, standardBody, time.Unix(1614265330, 0), nil},
		{"without its version", standard, "Webhook-Signature", v1[3:], standardBody, time.Unix(1614265330, 0), webhook.ErrSignatureFormat},
		{"of a later version", standard, "Webhook-Signature", "v2" + v1[2:], standardBody, time.Unix(1614265330, 0), webhook.ErrSignatureFormat},
		{"separated by a comma", standard, "Webhook-Signature", other + "," + v1, standardBody, time.Unix(1614265330, 0), webhook.ErrSignatureFormat},
		{"old and new", paddle, "Paddle-Signature", paddleField("another", "new"), "{}", now, nil},
		{"new and old", paddle, "Paddle-Signature", paddleField("old", "another"), "{}", now, nil},
		{"two that are strange", paddle, "Paddle-Signature", paddleField("another", "and another"), "{}", now, webhook.ErrSignature},
	} {
		d := delivery{scheme: row.scheme, header: map[string]string{
			"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", row.header: row.value,
		}}
		if _, err := d.prepared(t).Verify(d.request(t), []byte(row.body), row.at); !errors.Is(err, row.want) {
			t.Errorf("%s, %s: %v, want %v", row.scheme.Provider(), row.name, err, row.want)
		}
	}
}

func TestAnIDCannotMoveTheBorderOfWhatIsSigned(t *testing.T) {
	d := delivery{scheme: provider.StandardWebhooks{Secrets: secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}}
	r := d.request(t)
	key := webhook.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	r.Header.Set("Webhook-Id", "msg_1.1764000000")
	if _, err := d.scheme.(webhook.Signer).Sign(r, []byte("{}"), now, key); err != nil {
		t.Fatal(err)
	}
	if _, err := d.prepared(t).Verify(r, []byte("{}"), now); !errors.Is(err, webhook.ErrSignatureFormat) {
		t.Errorf("%v", err)
	}
}
