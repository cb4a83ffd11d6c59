// Lambda is a webhook endpoint and a small API as an AWS Lambda function behind a function URL. Instances come and go and share nothing in
// memory; what they must share is in Redis.
//
//	GOOS=linux GOARCH=arm64 go build -tags lambda.norpc -o bootstrap ./examples/lambda
//
// Environment: FUNCTION_HOST (such as abc123.lambda-url.eu-west-1.on.aws), REDIS_ADDR, REDIS_PASSWORD, REDIS_TLS=1, GITHUB_WEBHOOK_SECRET.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/gatehouse-go/gatehouse/engines/redis"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"golang.org/x/time/rate"
)

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	config := redis.Config{
		Addresses: []string{os.Getenv("REDIS_ADDR")}, Password: redis.Password(os.Getenv("REDIS_PASSWORD")),
		Timeout: 300 * time.Millisecond, Logger: logger,
	}
	if os.Getenv("REDIS_TLS") == "1" {
		config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	shared, err := redis.New(config)
	if err == nil {
		var handler http.Handler
		if handler, err = app(shared, os.Getenv("FUNCTION_HOST"), os.Getenv("GITHUB_WEBHOOK_SECRET"), logger); err == nil {
			lambdaurl.Start(handler, lambda.WithEnableSIGTERM(shared.Close))
			return
		}
	}
	logger.Error("lambda", "error", err)
	os.Exit(1)
}

// app is one instance: everything it remembers is in shared.
func app(shared *redis.Engine, host, secret string, logger *slog.Logger) (http.Handler, error) {
	limits := security.RateLimitConfig{
		Policies: []security.RatePolicy{{Name: "minute", Limit: rate.Every(time.Second), Burst: 20}},
		Store:    shared.NewRateStore(redis.RateStoreConfig{}),
		Outage:   security.OutageFailOpen, // without Redis the API answers, unlimited: the platform's own concurrency is the last bound
	}
	chain, chainErr := security.Default(security.Config{
		Target:  security.TargetConfig{Hosts: []string{host}},
		IPLimit: limits,
		Body:    security.BodyConfig{MediaTypes: []string{"application/json"}, MaxBody: 1 << 20},
		// The platform reads the request before the function runs, and ends a function that takes too long.
		Off:    []security.Stage{security.StageDeadlines},
		Logger: logger,
	})
	hooks, hooksErr := webhook.New(webhook.Config{
		Scheme: provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret(secret)}},
		Dedupe: shared.NewDeduper(), // copies of a delivery reach different instances; without Redis it is answered 503 and sent again
		Logger: logger,
		OnEvent: func(ctx context.Context, e webhook.Event) error {
			logger.InfoContext(ctx, "event", "type", e.Type, "id", e.ID)
			return nil
		},
	})
	if err := errors.Join(chainErr, hooksErr); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/github", hooks)
	mux.HandleFunc("GET /api/time", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]int64{"unix": time.Now().Unix()})
	})
	return arrive(chain.Then(mux), logger), nil
}

// arrive gives handlers what net/http's server would and lambdaurl does not: function URLs are https alone, and a handler that gives its
// answer up (http.ErrAbortHandler) must not end the process.
func arrive(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				logger.ErrorContext(r.Context(), "answer given up")
			}
		}()
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, HandshakeComplete: true}
		r.RequestURI = r.URL.RequestURI()
		next.ServeHTTP(w, r)
	})
}
