package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

// BenchmarkServeHTTP is a delivery from the request to the answer: read, verified, deduplicated, handled.
func BenchmarkServeHTTP(b *testing.B) {
	secret := webhook.NewSecret("It's a Secret to Everybody")
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			endpoint, err := webhook.New(webhook.Config{
				Scheme:  provider.GitHub{Secrets: []webhook.Secret{secret}},
				OnEvent: func(context.Context, webhook.Event) error { return nil },
				Dedupe:  webhook.InsecureNoDedupe{},
			})
			if err != nil {
				b.Fatal(err)
			}
			body := []byte(`{"a":"` + string(bytes.Repeat([]byte("x"), size)) + `"}`)
			r, err := webhooktest.Delivery{Scheme: provider.GitHub{}, Key: secret, Body: body}.Request(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			w := httptest.NewRecorder()
			reader := bytes.NewReader(body)
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				r.Body = io.NopCloser(reader)
				endpoint.ServeHTTP(w, r)
			}
			if w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
		})
	}
}
