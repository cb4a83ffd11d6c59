package provider_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testsender"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

func TestAnAlteredIndependentBodyIsRefused(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v, r := receiverOf(t, p, 0), p.Send(sentBy(p, 0))
			altered := func(what, body string) {
				changed := r
				changed.Body = body
				if p.Signed != nil && p.Signed([]byte(body)) == p.Signed([]byte(r.Body)) {
					return // what is signed is what it was
				}
				refusedAs(t, what, v, changed)
			}
			for i := range r.Body {
				for _, bit := range []byte{0x01, 0x20, 0x80} {
					body := []byte(r.Body)
					body[i] ^= bit
					altered("a byte changed", string(body))
				}
				altered("a byte left out", r.Body[:i]+r.Body[i+1:])
				altered("a byte more", r.Body[:i]+"0"+r.Body[i:])
			}
			for _, body := range []string{"", r.Body + "\n", r.Body + " ", r.Body + "\x00", " " + r.Body, "\ufeff" + r.Body, r.Body + r.Body} {
				altered("more or less around it", body)
			}
		})
	}
}

// valueOf changes the value of the field that carries the proof.
func valueOf(p testsender.Provider, r testsender.Request, values ...string) testsender.Request {
	r.Header = r.Header.Clone()
	delete(r.Header, p.Proof)
	if values != nil {
		r.Header[p.Proof] = values
	}
	return r
}

func TestAnAlteredIndependentSignatureIsRefused(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			if p.Proof == "" {
				t.Skip("its signature stands in the body")
			}
			v, r := receiverOf(t, p, 0), p.Send(sentBy(p, 0))
			value := r.Header.Get(p.Proof)
			refused := func(what string, values ...string) {
				refusedAs(t, what+" "+strings.Join(values, "|"), v, valueOf(p, r, values...))
			}
			refused("missing")
			refused("empty", "")
			refused("a space", " ")
			refused("given twice", value, value)
			refused("given twice, the first wrong", "x", value)
			refused("given twice, the second wrong", value, "x")
			refused("given twice, the first empty", "", value)
			for i := range value {
				changed := []byte(value)
				changed[i] ^= 0x01
				refused("a byte changed", string(changed))
				refused("cut short", value[:i])
				if value[i:i+1] != " " { // between pairs one is as good as none, and behind it Strapi's token may stand alone
					refused("cut short from before", value[i+1:])
					refused("a byte left out", value[:i]+value[i+1:])
				}
			}
			for _, more := range []string{"0", "=", "\x00", "AA", strings.Repeat("0", 1000)} {
				refused("made longer", value+more)
			}
			if p.Hex {
				refused("in capitals", strings.ToUpper(value))
				at := strings.LastIndexAny(strings.Split(value, ", t=")[0], "abcdef")
				refused("one capital", value[:at]+strings.ToUpper(value[at:at+1])+value[at+1:])
			}
			if p.Prefix != "" {
				for _, version := range []string{"", "v0=", "v2=", "v0,", "v2,", "v1=", "v1a,", "v1", "sha1=", "sha256=", "sha384=", "sha512=", "SHA256=", "sha256:", "sha-256="} {
					if version != p.Prefix && strings.HasPrefix(value, p.Prefix) {
						refused("another version", version+strings.TrimPrefix(value, p.Prefix))
					}
				}
			}
			for _, pair := range [][2]string{{"v1=", "v0="}, {"v1=", "v2="}, {"h1=", "h0="}, {"t=", "t=1,t="}, {"ts=", "ts=1;ts="}} {
				if strings.Contains(value, pair[0]) {
					refused("other pairs", strings.Replace(value, pair[0], pair[1], 1))
				}
			}
		})
	}
}

// Every other header field that is signed may not change either; one that is not must not matter.
func TestAnAlteredIndependentFieldIsRefused(t *testing.T) {
	unsigned := map[string][]string{
		"github": {"X-Github-Event", "X-Github-Delivery"}, "bitbucket": {"X-Event-Key", "X-Request-Uuid"}, "bitbucket-server": {"X-Event-Key", "X-Request-Id"},
		"gitea": {"X-Gitea-Event", "X-Gitea-Delivery"}, "lemonsqueezy": {"X-Event-Name"}, "shopify": {"X-Shopify-Topic", "X-Shopify-Shop-Domain"},
		"woocommerce": {"X-Wc-Webhook-Topic"}, "linear": {"Linear-Event", "Linear-Delivery", "Linear-Timestamp"}, "sanity": {"Sanity-Operation"},
		"strapi": {"X-Strapi-Event"}, "cloudevents": {"Ce-Id", "Ce-Source", "Ce-Type", "Ce-Specversion"}, "websub": {"Link"},
		"gitlab": {"Idempotency-Key", "X-Gitlab-Event"}, "aws-sns": {"X-Amz-Sns-Message-Type", "X-Amz-Sns-Message-Id", "X-Amz-Sns-Topic-Arn"},
	}
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v, r := receiverOf(t, p, 0), p.Send(sentBy(p, 0))
			free := map[string]bool{"Content-Type": true, p.Proof: true}
			for _, name := range unsigned[p.ID] {
				free[name] = true
				changed := r
				changed.Header = r.Header.Clone()
				changed.Header.Set(name, "another")
				if _, err := received(t, v, changed); err != nil {
					t.Errorf("%s, which nobody signs: %v", name, err)
				}
			}
			for name, values := range r.Header {
				if free[name] {
					continue
				}
				refused := func(what string, to ...string) {
					changed := r
					changed.Header = r.Header.Clone()
					changed.Header[name] = to
					if to == nil {
						delete(changed.Header, name)
					}
					refusedAs(t, name+" "+what, v, changed)
				}
				value := values[0]
				for i := range value {
					changed := []byte(value)
					changed[i] ^= 0x01
					if at := strings.Index(value, ".paypal.com/v1/notifications/certs/"); name == "Paypal-Cert-Url" && (i > strings.LastIndex(value, "/") || i > len("https://") && i < at) {
						continue // another certificate of PayPal's; a pinned key asks for none
					}
					refused("with a byte changed", string(changed))
				}
				refused("given twice", value, value)
				refused("given twice, the first wrong", "x", value)
				refused("empty", "")
				if name != "Paypal-Cert-Url" && name != "Paypal-Auth-Algo" { // which a pinned key does without
					refused("missing")
				}
			}
		})
	}
}

func TestAnIndependentURLThatIsSignedIsTheConfiguredOne(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v, r := receiverOf(t, p, 0), p.Send(sentBy(p, 0))
			h, err := r.HTTP()
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range []func(*http.Request){
				func(h *http.Request) { h.Host, h.URL.Host = "10.0.0.1:8080", "10.0.0.1:8080" },
				func(h *http.Request) { h.Header.Set("X-Forwarded-Host", "evil.example") },
				func(h *http.Request) { h.Header.Set("X-Forwarded-Proto", "http") },
				func(h *http.Request) { h.Header.Set("Forwarded", "host=evil.example;proto=http") },
			} {
				behind := h.Clone(t.Context())
				change(behind)
				if _, err := v.Verify(behind, []byte(r.Body), now); err != nil {
					t.Errorf("behind a proxy: %v", err)
				}
			}
			if !p.URL {
				return
			}
			for _, other := range []string{
				"https://evil.example/hooks/in", "http://app.example/hooks/in", "https://app.example/hooks/out", "https://app.example/hooks/in/", "https://app.example/Hooks/in",
				"https://app.example/hooks", "https://app.example/hooks/in?x=1", "https://app.example.evil.example/hooks/in",
			} {
				elsewhere := sentBy(p, 0)
				elsewhere.URL = other
				forged := p.Send(elsewhere)
				forged.URL = r.URL // which the sender of a replay chooses as well
				if p.ID == "contentful" && strings.HasSuffix(other, "example/hooks/in") {
					continue // host and scheme are not signed
				}
				refusedAs(t, "signed for "+other, v, forged)
			}
			for _, query := range []string{"x=1", "bodySHA256=00", "%zz"} {
				replayed := h.Clone(t.Context())
				replayed.URL.RawQuery = query
				if _, err := v.Verify(replayed, []byte(r.Body), now); err == nil && p.ID != "square" { // which signs the URL as configured
					t.Errorf("a query more, %q: accepted", query)
				} else if err != nil && !isReason(err) {
					t.Errorf("a query more, %q: %v", query, err)
				}
			}
		})
	}
}

// Between the URL and what is signed behind it there is no mark: a configured query must not swallow letters of the body, nor lose its own.
func TestAConfiguredQueryKeepsItsBorder(t *testing.T) {
	const configured = independentURL + "?tenant=7"
	for _, row := range []struct{ id, body, query, forged string }{
		{"twilio", "CallSid=CA1", "tenant=7CallSidCA1", ""},
		{"twilio", "CallSid=CA1", "tenant=", "7CallSid=CA1"},
		{"twilio", "CallSid=CA1", "tenant=7CallSid", "=CA1"},
		{"hubspot", `[{"eventId":1}]`, `tenant=7[{"eventId":1}]`, ""},
		{"hubspot", `[{"eventId":1}]`, "tenant=", `7[{"eventId":1}]`},
	} {
		p := byID(t, row.id, row.body)
		d := sentBy(p, 0)
		d.URL = configured
		r := p.Send(d)
		scheme, err := provider.New(p.ID, webhook.NewSecret(p.Keys[0].Receiver))
		if err != nil {
			t.Fatal(err)
		}
		v := delivery{scheme: scheme, url: configured}.prepared(t)
		if _, err := received(t, v, r); err != nil {
			t.Fatalf("%s: %v", row.id, err)
		}
		moved := r
		moved.URL, moved.Body = independentURL+"?"+row.query, row.forged
		refusedAs(t, row.id+" with the query "+row.query, v, moved)
	}
	p := testsender.TwilioJSON()
	d := sentBy(p, 0)
	d.URL = configured
	r := p.Send(d) // with a parameter more, which Twilio adds
	scheme := provider.Twilio{Secrets: secret(p.Keys[0].Receiver)}
	if _, err := received(t, delivery{scheme: scheme, url: configured}.prepared(t), r); err != nil {
		t.Error(err)
	}
}

func TestAnIndependentTimeIsChecked(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			if p.Clock == testsender.Timeless {
				t.Skip("none is signed")
			}
			v := receiverOf(t, p, 0)
			for _, row := range []struct {
				name        string
				year, month int
				want        error
			}{
				{"a month ago", 0, -1, webhook.ErrTooOld},
				{"in a month", 0, 1, webhook.ErrTooNew},
				{"forty years ago", -40, 0, webhook.ErrTooOld},
				{"in ten years", 10, 0, webhook.ErrTooNew},
				{"in seven thousand years", 7000, 0, webhook.ErrTooNew},
			} {
				d := sentBy(p, 0)
				d.Time = p.Clock.Text(now.AddDate(row.year, row.month, 0))
				if _, err := received(t, v, p.Send(d)); !errors.Is(err, row.want) {
					t.Errorf("%s: %v, want %v", row.name, err, row.want)
				}
			}
			for name, text := range p.Clock.Misspelt(now) {
				if p.ID == "linear" && strings.TrimSpace(text) == p.Clock.Text(now) {
					continue // white space in JSON
				}
				d := sentBy(p, 0)
				d.Time = text
				refusedAs(t, "a time with "+name, v, p.Send(d))
			}
		})
	}
}
