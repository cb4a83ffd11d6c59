package provider_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

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
	hub := delivery{scheme: inspected("websub", "s"), url: "https://example.com/hook?hub.mode=subscribe&hub.topic=https%3A%2F%2Fexample.com%2Fany&hub.challenge=c", method: "GET"}
	if reply, err := hub.prepared(t).(webhook.Handshaker).Handshake(hub.request(t), nil); err != nil || string(reply.Body) != "c" {
		t.Errorf("WebSub's handshake for any topic: %v, %v", reply, err)
	}
	own := secret("a", "b")
	scheme, _ := provider.New("github", own...)
	own[0] = webhook.Secret{}
	if scheme.(provider.GitHub).Secrets[0].IsZero() {
		t.Error("the caller's slice is kept")
	}
}
