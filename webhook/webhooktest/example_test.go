package webhooktest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

func ExampleDelivery() {
	r, err := webhooktest.Delivery{
		Scheme: provider.GitHub{},
		Key:    webhook.NewSecret("It's a Secret to Everybody"),
		URL:    "https://app.example/hooks/github",
		Header: http.Header{"X-Github-Event": {"push"}},
		Body:   []byte(`Hello, World!`),
	}.Request(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Method, r.URL)
	fmt.Println(r.Header.Get("X-Hub-Signature-256"))
	// Output:
	// POST https://app.example/hooks/github
	// sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17
}

func ExampleTestScheme() {
	// A provider that is not listed, described in one struct: does what it signs hold?
	err := webhooktest.TestScheme(context.Background(), webhooktest.SchemeConfig{
		Scheme: provider.HMAC{
			Name: "acme", Header: "X-Acme-Signature", Signed: "{timestamp}.{body}", TimestampHeader: "X-Acme-Time",
			Contract: webhook.Contract{Tolerance: time.Minute},
		},
		Body: []byte(`{"id":"evt_1"}`), NoAllocs: true,
	})
	fmt.Println(err)
	// Output:
	// <nil>
}

func ExampleTestDeduper() {
	err := webhooktest.TestDeduper(context.Background(), func() (webhook.Deduper, error) {
		return webhook.NewMemory(webhook.MemoryConfig{}) // yours, emptied
	})
	fmt.Println(err)
	// Output:
	// <nil>
}
