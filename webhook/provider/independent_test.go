package provider_test

import (
	"crypto"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testsender"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// independentURL is where the deliveries of package sender go. Its query is one that each provider writes alike.
const independentURL = "https://app.example/hooks/in"

// everyone is every provider as package sender, a second writing of them all, has it.
func everyone() []testsender.Provider { return append(testsender.All(), testsender.Variants()...) }

func titleOf(p testsender.Provider) string { return p.ID + "/" + p.Prefix + p.Proof }

// sentBy is p's delivery of its sample body under its i-th key, at now.
func sentBy(p testsender.Provider, i int) testsender.Delivery {
	return testsender.Delivery{URL: independentURL, Body: p.Body, Key: p.Keys[i], Time: p.Clock.Text(now)}
}

// receiverOf returns the verifier of p with the receiver's halves of these keys.
func receiverOf(t *testing.T, p testsender.Provider, keys ...int) webhook.Verifier {
	t.Helper()
	var secrets []webhook.Secret
	for _, i := range keys {
		secrets = append(secrets, webhook.NewSecret(p.Keys[i].Receiver))
	}
	scheme, err := provider.New(p.ID, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return delivery{scheme: scheme, url: independentURL}.prepared(t)
}

// received verifies r as it comes off the wire.
func received(t *testing.T, v webhook.Verifier, r testsender.Request) (webhook.Proof, error) {
	t.Helper()
	h, err := r.HTTP()
	if err != nil {
		t.Fatal(err)
	}
	return v.Verify(h, []byte(r.Body), now)
}

// refusedAs checks that v refuses r with a reason.
func refusedAs(t *testing.T, what string, v webhook.Verifier, r testsender.Request) {
	t.Helper()
	if _, err := received(t, v, r); err == nil {
		t.Errorf("%s: accepted %v %q", what, r.Header, r.Body)
	} else if !isReason(err) {
		t.Errorf("%s: %v is none of the reasons", what, err)
	}
}

func TestThereAreAllProvidersOfTheData(t *testing.T) {
	var ids []string
	for _, p := range testsender.All() {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 48 {
		t.Errorf("%d providers: %v", len(ids), ids)
	}
	for _, id := range provider.IDs() {
		if !slices.Contains(ids, id) && id != "token" && id != "x" { // which the data does not have
			t.Errorf("package sender lacks %s", id)
		}
	}
}

func TestAnIndependentDeliveryIsAccepted(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v := receiverOf(t, p, 0)
			r := p.Send(sentBy(p, 0))
			proof, err := received(t, v, r)
			if err != nil {
				t.Fatalf("%v: %v %q", err, r.Header, r.Body)
			}
			if p.Clock != testsender.Timeless && !proof.SentAt.Equal(now) {
				t.Errorf("sent at %v, want %v", proof.SentAt, now)
			}
			if p.Clock == testsender.Timeless && !proof.SentAt.IsZero() {
				t.Errorf("sent at %v, where no time is signed", proof.SentAt)
			}
		})
	}
}

func TestAnIndependentDeliveryUnderAnotherKeyIsRefused(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			v := receiverOf(t, p, 0)
			refusedAs(t, "another key", v, p.Send(sentBy(p, 1)))
			if p.Keys[0].Sender == p.Keys[0].Receiver {
				forged := sentBy(p, 0)
				forged.Key.Sender = "" // who has no key may try none at all
				refusedAs(t, "the empty key", v, p.Send(forged))
			}
			for i, text := range []string{"", " ", "\n"} {
				scheme, err := provider.New(p.ID, webhook.NewSecret(p.Keys[0].Receiver), webhook.NewSecret(text))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := scheme.Prepare(delivery{url: independentURL}.completeSetup(t)); err == nil {
					t.Errorf("empty secret %d is taken", i)
				}
			}
		})
	}
}

func TestAnIndependentDeliveryIsAcceptedDuringRotation(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			for _, row := range []struct {
				name  string
				keys  []int
				index int
			}{
				{"the newest of two", []int{0, 1}, 0},
				{"the older of two", []int{1, 0}, 1},
				{"the oldest of three", []int{2, 1, 0}, 2},
			} {
				proof, err := received(t, receiverOf(t, p, row.keys...), p.Send(sentBy(p, 0)))
				if err != nil || proof.Secret != row.index {
					t.Errorf("%s: secret %d, %v", row.name, proof.Secret, err)
				}
			}
			if p.Join == nil {
				return
			}
			one, other := p.Send(sentBy(p, 0)), p.Send(sentBy(p, 1))
			both, reversed := one, other
			both.Header, reversed.Header = one.Header.Clone(), other.Header.Clone()
			both.Header.Set(p.Proof, p.Join(one.Header.Get(p.Proof), other.Header.Get(p.Proof)))
			reversed.Header.Set(p.Proof, p.Join(other.Header.Get(p.Proof), one.Header.Get(p.Proof)))
			for name, r := range map[string]testsender.Request{"the receiver's key first": both, "the receiver's key second": reversed} {
				if _, err := received(t, receiverOf(t, p, 0), r); err != nil {
					t.Errorf("two signatures, %s: %v", name, err)
				}
				refusedAs(t, "two signatures, none of them by the receiver's key", receiverOf(t, p, 2), r)
			}
		})
	}
}

// What Sign makes is what the provider sends: the same signature, in the same place.
func TestSignMakesTheIndependentSignature(t *testing.T) {
	for _, p := range everyone() {
		t.Run(titleOf(p), func(t *testing.T) {
			switch p.ID {
			case "sendgrid", "rfc9421", "aws-sns", "mailgun", "paypal":
				t.Skip("a signature that is another each time, or stands in a body of Sign's making")
			}
			if p.Proof == "" || strings.HasPrefix(p.Prefix, "sha") && p.ID == "websub" && p.Prefix != "sha256=" {
				t.Skip("not what Sign makes")
			}
			sent := p.Send(sentBy(p, 0))
			r, err := sent.HTTP()
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Del(p.Proof)
			scheme, err := provider.New(p.ID)
			if err != nil {
				t.Fatal(err)
			}
			if p.Proof == "Hmacsignature" {
				t.Skip("Sign makes standard deliveries")
			}
			body, err := scheme.(webhook.Signer).Sign(r, []byte(sent.Body), now, webhook.NewSecret(p.Keys[0].Sender))
			if err != nil {
				t.Fatal(err)
			}
			want, got := sent.Header.Get(p.Proof), r.Header.Get(p.Proof)
			if p.ID == "strapi" {
				want = strings.TrimPrefix(want, "Bearer ") // Strapi sends what its settings say
			}
			if got != want || string(body) != sent.Body || r.Method != sent.Method {
				t.Errorf("%s: %q, want %q", p.Proof, got, want)
			}
		})
	}
}

// A signature under an empty key must not pass, whoever computes it.
func TestTheEmptyKeyOpensNothing(t *testing.T) {
	for id, field := range map[string]string{"github": "X-Hub-Signature-256", "meta": "X-Hub-Signature-256", "bitbucket": "X-Hub-Signature"} {
		scheme, err := provider.New(id, webhook.NewSecret("a secret"))
		if err != nil {
			t.Fatal(err)
		}
		d := delivery{scheme: scheme, header: map[string]string{field: "sha256=" + hex.EncodeToString(hmacOver(crypto.SHA256, "", "{}"))}, body: "{}"}
		if _, err := d.prepared(t).Verify(d.request(t), []byte(d.body), now); !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: %v", id, err)
		}
	}
}
