package provider_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// handle prints what a verified delivery is.
func handle(_ context.Context, e webhook.Event) error {
	fmt.Printf("%s: type %q, id %q\n", e.Provider, e.Type, e.ID)
	return nil
}

// post sends a signed delivery to h and prints the status of the answer.
func post(h http.Handler, header http.Header, body string) {
	r := httptest.NewRequest("POST", "https://app.example/hooks", strings.NewReader(body))
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code)
}

func Example() {
	h, err := webhook.New(webhook.Config{
		Scheme:  provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("It's a Secret to Everybody")}},
		OnEvent: handle,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{
		"Content-Type":        {"application/json"},
		"X-Github-Event":      {"push"},
		"X-Github-Delivery":   {"72d3162e"},
		"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
	}
	post(h, header, "Hello, World!")
	post(h, header, "Hello, World?")
	// Output:
	// github: type "push", id "72d3162e"
	// 200
	// 401
}

// A provider that is not listed is described in one struct.
func ExampleHMAC() {
	scheme := provider.HMAC{
		Name:            "acme",
		Secrets:         []webhook.Secret{webhook.NewSecret("new secret"), webhook.NewSecret("old secret")},
		Header:          "X-Acme-Signature",
		Prefix:          "sha256=",
		Signed:          "{timestamp}.{body}",
		TimestampHeader: "X-Acme-Timestamp",
		EventType:       provider.Source{JSON: []string{"kind"}},
		EventID:         provider.Source{JSON: []string{"data.id"}},
		Contract:        webhook.Contract{Tolerance: time.Minute, AckTimeout: 10 * time.Second},
	}
	h, err := webhook.New(webhook.Config{Scheme: scheme, OnEvent: handle})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := `{"kind":"invoice.paid","data":{"id":"in_1"}}`
	r := httptest.NewRequest("POST", "https://app.example/hooks", nil)
	if _, err := scheme.Sign(r, []byte(body), time.Now(), webhook.NewSecret("old secret")); err != nil {
		fmt.Println(err)
		return
	}
	post(h, r.Header, body)
	// Output:
	// acme: type "invoice.paid", id "in_1"
	// 200
}

// What is not hashed can be replaced, so a scheme that leaves out the body is refused.
func ExampleHMAC_incorrect() {
	_, err := webhook.New(webhook.Config{
		Scheme: provider.HMAC{
			Name:    "acme",
			Secrets: []webhook.Secret{webhook.NewSecret("secret")},
			Header:  "X-Acme-Signature",
			Signed:  "{header:X-Acme-Id}",
		},
		OnEvent: handle,
	})
	fmt.Println(err)
	// Output: provider: Signed = "{header:X-Acme-Id}" must have {body}: a body that is not hashed can be replaced
}

func ExampleNew() {
	scheme, err := provider.New("stripe", webhook.NewSecret("whsec_new"), webhook.NewSecret("whsec_old"))
	fmt.Println(scheme.Provider(), err)
	_, err = provider.New("strippe")
	fmt.Println(err)
	// Output:
	// stripe <nil>
	// provider: no provider has the id "strippe"
}

// A receiver must say which topics it listens to; a tool that looks at a captured message need not.
func ExampleInspect() {
	setup := webhook.Setup{Client: http.DefaultClient}
	strict, _ := provider.New("aws-sns")
	_, err := strict.Prepare(setup)
	fmt.Println(err)
	loose, _ := provider.Inspect("aws-sns")
	_, err = loose.Prepare(setup)
	fmt.Println(err)
	// Output:
	// provider: TopicARNs must have at least one topic: anyone can own a topic that Amazon signs for
	// <nil>
}

func ExampleIDs() {
	ids := provider.IDs()
	fmt.Println(ids[0], ids[len(ids)-1])
	// Output: adyen zoom
}

// A content system that can only call a URL shows a token. Nothing else in the request proves anything.
func ExampleToken() {
	h, err := webhook.New(webhook.Config{
		Scheme: provider.Token{
			Secrets:   []webhook.Secret{webhook.NewSecret("kept secret by both")},
			Header:    "X-Webhook-Token",
			EventType: provider.Source{JSON: []string{"tag"}},
		},
		OnEvent: handle,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	post(h, http.Header{"X-Webhook-Token": {"kept secret by both"}}, `{"tag":"posts"}`)
	post(h, http.Header{"X-Webhook-Token": {"a guess"}}, `{"tag":"posts"}`)
	// Output:
	// token: type "posts", id ""
	// 200
	// 401
}

// A sender that signs HTTP messages is known by its public key.
func ExampleRFC9421() {
	scheme := provider.RFC9421{
		Secrets: []webhook.Secret{
			webhook.NewSecret("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=").Named("test-key-ed25519"),
		},
		Components: []string{"@method", "@authority", "@path", "content-digest"},
	}
	h, err := webhook.New(webhook.Config{Scheme: scheme, OnEvent: handle, PublicURL: "https://app.example/hooks"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "https://app.example/hooks", strings.NewReader("{}"))
	r.Header.Set("Signature-Input", `sig=("@method" "@authority" "@path");created=1618884473;keyid="test-key-ed25519"`)
	r.Header.Set("Signature", "sig=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:")
	_, err = h.Verify(r)
	fmt.Println(err, errors.Is(err, webhook.ErrSignatureFormat))
	// Output: webhook: signature is malformed: the signature does not cover content-digest true
}
