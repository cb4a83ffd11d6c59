package otel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gatehouse-go/gatehouse/engines/otel"
)

func ExampleNew() {
	reader := metric.NewManualReader() // a program takes the reader of its exporter
	telemetry, err := otel.New(otel.Config{Meters: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()
	secret := webhook.NewSecret("It's a Secret to Everybody")
	hooks, err := webhook.New(webhook.Config{
		Scheme: provider.GitHub{Secrets: []webhook.Secret{secret}}, Observe: telemetry.Webhook,
		OnEvent: telemetry.Event(func(context.Context, webhook.Event) error { return nil }),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/github", hooks)
	server := telemetry.Wrap(mux)

	r, err := webhooktest.Delivery{Scheme: provider.GitHub{}, Key: secret, URL: "http://example.com/hooks/github", Header: http.Header{"X-Github-Event": {"push"}}, Body: []byte(`{}`)}.Request(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	server.ServeHTTP(httptest.NewRecorder(), r)

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		fmt.Println(err)
		return
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if strings.HasPrefix(m.Name, "messaging.") {
				fmt.Println(m.Name)
			}
		}
	}
	// Unordered output:
	// messaging.client.operation.duration
	// messaging.client.consumed.messages
}
