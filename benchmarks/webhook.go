package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	playground "github.com/go-playground/webhooks/v6/github"
	gogithub "github.com/google/go-github/v84/github"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripewebhook "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// Secrets in the formats that the libraries want: published in the documents of Standard Webhooks.
const (
	plainText = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	whsecText = "whsec_" + plainText
)

// webhookCases measure the check of a signed delivery with the body in memory: what an endpoint does before it trusts a byte.
func webhookCases(_ string) []measure.Case {
	return []measure.Case{webhookCase("1 KiB", 1<<10, 1.4), webhookCase("64 KiB", 64<<10, 1.03)}
}

func webhookCase(name string, size int, bar float64) measure.Case {
	body := jsonBody(size)
	github := sign(provider.GitHub{Secrets: secrets(plainText)}, body, plainText)
	stripe := sign(provider.Stripe{Secrets: secrets(plainText)}, body, plainText)
	ofSlack := sign(provider.Slack{Secrets: secrets(plainText)}, body, plainText)
	standard := sign(provider.StandardWebhooks{Secrets: secrets(whsecText)}, body, whsecText)
	return measure.Case{
		Name: "check of a signed " + name + " body in memory",
		// The check waits for nothing: its processor time is its time on a machine that does nothing else.
		Bars: []measure.Bar{{Quantity: measure.TimesCPU, AtMost: bar}, {Quantity: measure.Allocs, AtMost: 0}},
		Contenders: []measure.Contender{
			{Name: "HMAC-SHA256 with reused state", Kind: measure.Limit, Do: bareHMAC(body)},
			{Name: "gatehouse GitHub", Kind: measure.Ours, Do: check(provider.GitHub{Secrets: secrets(plainText)}, github, body)},
			{Name: "gatehouse Stripe", Kind: measure.Ours, Do: check(provider.Stripe{Secrets: secrets(plainText)}, stripe, body)},
			{Name: "gatehouse Slack", Kind: measure.Ours, Do: check(provider.Slack{Secrets: secrets(plainText)}, ofSlack, body)},
			{Name: "gatehouse Standard Webhooks", Kind: measure.Ours, Do: check(provider.StandardWebhooks{Secrets: secrets(whsecText)}, standard, body)},
			{Name: "slack-go SecretsVerifier", Kind: measure.Peer, Do: slackGo(body)},
			{Name: "stripe-go ValidatePayload", Kind: measure.Peer, Do: func(n int) {
				header := stripe.Header.Get("Stripe-Signature")
				for range n {
					must(stripewebhook.ValidatePayload(body, header, plainText))
				}
			}},
			{Name: "stripe-go ConstructEvent", Kind: measure.Peer, Do: func(n int) {
				header := stripe.Header.Get("Stripe-Signature")
				for range n {
					_, err := stripewebhook.ConstructEventWithOptions(body, header, plainText, stripewebhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
					must(err)
				}
			}},
			{Name: "go-github ValidatePayloadFromBody", Kind: measure.Peer, Do: func(n int) {
				signature, secret, reader := github.Header.Get("X-Hub-Signature-256"), []byte(plainText), bytes.NewReader(body)
				for range n {
					reader.Reset(body)
					_, err := gogithub.ValidatePayloadFromBody("application/json", reader, signature, secret)
					must(err)
				}
			}},
			{Name: "standard-webhooks Verify", Kind: measure.Peer, Do: func(n int) {
				wh, err := standardwebhooks.NewWebhook(whsecText)
				must(err)
				for range n {
					must(wh.Verify(body, standard.Header))
				}
			}},
			{Name: "svix Verify", Kind: measure.Peer, Do: func(n int) {
				wh, err := svix.NewWebhook(whsecText)
				must(err)
				for range n {
					must(wh.Verify(body, standard.Header))
				}
			}},
			{Name: "go-playground GitHub Parse", Kind: measure.Peer, Do: goPlayground(github, body)},
		},
	}
}

// jsonBody is an event of about size bytes that every peer can parse.
func jsonBody(size int) []byte {
	const head, tail = `{"id":"evt_1","object":"event","api_version":"2026-01-01","type":"ping","data":{"object":{}},"zen":"`, `"}`
	return []byte(head + string(bytes.Repeat([]byte("a"), size-len(head)-len(tail))) + tail)
}

func secrets(s string) []webhook.Secret { return []webhook.Secret{webhook.NewSecret(s)} }

// sign makes the request that the provider would send.
func sign(scheme webhook.Signer, body []byte, secret string) *http.Request {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://hooks.example/", nil)
	must(err)
	_, err = scheme.Sign(r, body, time.Now(), webhook.NewSecret(secret))
	must(err)
	return r
}

// check is the whole check of ours. Signatures stay valid for the minutes that a run takes.
func check(scheme webhook.Scheme, r *http.Request, body []byte) func(int) {
	h, err := webhook.New(webhook.Config{
		Scheme: scheme, OnEvent: func(context.Context, webhook.Event) error { return nil }, Tolerance: time.Hour,
	})
	must(err)
	return func(n int) {
		for range n {
			must(h.Check(r, body))
		}
	}
}

func bareHMAC(body []byte) func(int) {
	mac := hmac.New(sha256.New, []byte(plainText))
	mac.Write(body)
	want := mac.Sum(nil)
	sum := make([]byte, 0, sha256.Size)
	return func(n int) {
		for range n {
			mac.Reset()
			mac.Write(body)
			if !hmac.Equal(mac.Sum(sum), want) {
				panic("HMAC differs")
			}
		}
	}
}

func slackGo(body []byte) func(int) {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(plainText))
	mac.Write([]byte("v0:" + at + ":"))
	mac.Write(body)
	header := http.Header{}
	header.Set("X-Slack-Request-Timestamp", at)
	header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return func(n int) {
		for range n {
			v, err := slack.NewSecretsVerifier(header, plainText)
			must(err)
			_, err = v.Write(body)
			must(err)
			must(v.Ensure())
		}
	}
}

func goPlayground(signed *http.Request, body []byte) func(int) {
	hook, err := playground.New(playground.Options.Secret(plainText))
	must(err)
	mac := hmac.New(sha256.New, []byte(plainText))
	mac.Write(body)
	signed = signed.Clone(context.Background())
	signed.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	signed.Header.Set("X-Github-Event", "ping")
	reader := bytes.NewReader(body)
	return func(n int) {
		for range n {
			reader.Reset(body)
			signed.Body = io.NopCloser(reader)
			_, err := hook.Parse(signed, playground.PingEvent)
			must(err)
		}
	}
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("a contender failed: %v", err))
	}
}
