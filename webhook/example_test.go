package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

func ExampleNew() {
	secret := webhook.NewSecret("whsec_from_the_dashboard")
	endpoint, err := webhook.New(webhook.Config{
		Scheme: provider.Stripe{Secrets: []webhook.Secret{secret}},
		OnEvent: func(_ context.Context, e webhook.Event) error {
			fmt.Println("handling", e.Type, e.ID)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/stripe", endpoint)

	// Stripe delivers the same event twice: here as webhooktest signs it.
	for range 2 {
		r, err := webhooktest.Delivery{
			Scheme: provider.Stripe{}, Key: secret, URL: "https://app.example/hooks/stripe",
			Body: []byte(`{"id":"evt_1","type":"invoice.paid"}`),
		}.Request(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(serve(mux, r).Status)
	}
	// Output:
	// handling invoice.paid evt_1
	// 200 OK
	// 200 OK
}

// A pattern with a method hides the endpoint from the provider's handshake, which comes with another one.
func ExampleNew_incorrect() {
	endpoint, err := webhook.New(webhook.Config{
		Scheme:  provider.Dropbox{Secrets: []webhook.Secret{webhook.NewSecret("app secret")}},
		OnEvent: func(context.Context, webhook.Event) error { return nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /wrong", endpoint)
	mux.Handle("/right", endpoint)

	// Dropbox asks with GET whether the endpoint is there.
	for _, path := range []string{"/wrong", "/right"} {
		fmt.Println(path, serve(mux, httptest.NewRequest(http.MethodGet, path+"?challenge=abc", nil)).Status)
	}
	// Output:
	// /wrong 405 Method Not Allowed
	// /right 200 OK
}

func ExampleNew_mistakes() {
	_, err := webhook.New(webhook.Config{
		Scheme:    provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("")}},
		PublicURL: "app.example/hooks",
	})
	fmt.Println(err)
	// Output:
	// webhook: OnEvent is required
	// webhook: PublicURL must be an absolute http or https URL without user or fragment
	// provider: Secrets[0] must not be empty
}

func ExampleOn() {
	type invoice struct {
		ID     string `json:"id"`
		Amount int    `json:"amount"`
	}
	var mux webhook.Mux
	err := errors.Join(
		webhook.On(&mux, "invoice.*", func(_ context.Context, v invoice, e webhook.Event) error {
			fmt.Println(e.Type, v.ID, v.Amount)
			return nil
		}),
		mux.For("github").Handle("push", func(_ context.Context, e webhook.Event) error {
			fmt.Println("pushed")
			return nil
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	// As Config.OnEvent: mux.OnEvent
	for _, e := range []webhook.Event{
		{Provider: "stripe", Type: "invoice.paid", Body: []byte(`{"id":"in_1","amount":5}`)},
		{Provider: "github", Type: "push"},
		{Provider: "stripe", Type: "customer.created"}, // nobody asked for it: accepted and ignored
	} {
		if err := mux.OnEvent(context.Background(), e); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// invoice.paid in_1 5
	// pushed
}

func ExampleDecode() {
	e := webhook.Event{Body: []byte(`{"amount": 100, "amount": 1}`)} // which of the two did the provider mean?
	_, err := webhook.Decode[struct {
		Amount int `json:"amount"`
	}](e)
	fmt.Println(err)
	// Output:
	// webhook: payload is malformed: not strict JSON at byte 16
}

func ExampleNewMemory() {
	// Two endpoints of one process that get the same deliveries under two URLs, and handle each event once between them.
	memory, err := webhook.NewMemory(webhook.MemoryConfig{MaxDone: 100_000})
	if err != nil {
		log.Fatal(err)
	}
	config := webhook.Config{
		Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("It's a Secret to Everybody")}},
		OnEvent: func(context.Context, webhook.Event) error { fmt.Println("handled"); return nil },
		Dedupe:  memory,
	}
	for range 2 {
		endpoint, err := webhook.New(config)
		if err != nil {
			log.Fatal(err)
		}
		r, err := webhooktest.Delivery{
			Scheme: provider.GitHub{}, Key: webhook.NewSecret("It's a Secret to Everybody"), Body: []byte("{}"),
		}.Request(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(serve(endpoint, r).StatusCode)
	}
	// Output:
	// handled
	// 200
	// 200
}

func ExampleRetryAfter() {
	err := webhook.RetryAfter(time.Minute, errors.New("queue is full"))
	fmt.Println(err)
	// Output:
	// webhook: retry later: queue is full
}

func ExampleHandler_SetSecrets() {
	endpoint, err := webhook.New(webhook.Config{
		Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("old").Named("2026-03")}},
		OnEvent: func(context.Context, webhook.Event) error { return nil },
		Observe: func(o webhook.Outcome) { fmt.Println(o.Result, "under", o.Proof.KeyID) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := endpoint.SetSecrets(webhook.NewSecret("new").Named("2026-06"), webhook.NewSecret("old").Named("2026-03")); err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"old", "new"} {
		r, err := webhooktest.Delivery{
			Scheme: provider.GitHub{}, Key: webhook.NewSecret(key), Body: []byte(`{"by":"` + key + `"}`),
		}.Request(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		serve(endpoint, r)
	}
	// Output:
	// accepted under 2026-03
	// accepted under 2026-06
}

// A Secret does not show itself, so a configuration that is printed or logged gives nothing away.
func ExampleNewSecret() {
	config := struct{ Secret webhook.Secret }{webhook.NewSecret("whsec_from_the_dashboard").Named("2026-11")}
	fmt.Printf("%+v named %s\n", config, config.Secret.ID())
	// Output: {Secret:[redacted]} named 2026-11
}

// Two deliveries of one event have one key, whatever the time they were sent.
func ExampleNewKey() {
	first := webhook.NewKey("acme", []byte("id"), []byte("evt_1"))
	again := webhook.NewKey("acme", []byte("id"), []byte("evt_1"))
	other := webhook.NewKey("acme", []byte("id"), []byte("evt_2"))
	fmt.Println(first == again, first == other)
	// Output: true false
}
