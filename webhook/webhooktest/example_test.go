package webhooktest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

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
