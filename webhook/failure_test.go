package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestHandlerErrorsAreAnsweredSoThatTheProviderRetries(t *testing.T) {
	tests := []struct {
		name       string
		onEvent    func(context.Context, webhook.Event) error
		status     int
		reason     error
		retryAfter string
	}{
		{"an error", func(context.Context, webhook.Event) error { return errors.New("disk full") }, 500, webhook.ErrHandler, ""},
		{"a panic", func(context.Context, webhook.Event) error { panic("boom") }, 500, webhook.ErrPanic, ""},
		{"a panic that net/http would let pass in silence", func(context.Context, webhook.Event) error { panic(http.ErrAbortHandler) }, 500, webhook.ErrPanic, ""},
		{"an error with a status of its own", func(context.Context, webhook.Event) error { return teapot{418} }, 418, webhook.ErrHandler, ""},
		{"an error whose status is no error", func(context.Context, webhook.Event) error { return teapot{204} }, 500, webhook.ErrHandler, ""},
		{"too many requests", func(context.Context, webhook.Event) error { return teapot{429} }, 429, webhook.ErrHandler, "30"},
		{"retry later", func(context.Context, webhook.Event) error {
			return webhook.RetryAfter(1500*time.Millisecond, io.ErrNoProgress)
		}, 503, io.ErrNoProgress, "2"},
		{"a payload that does not decode", func(_ context.Context, e webhook.Event) error {
			_, err := webhook.Decode[struct{ ID int }](e)
			return err
		}, 400, webhook.ErrPayload, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, func(c *webhook.Config) { c.OnEvent = tt.onEvent })
			res := serve(e, plainRequest(`{"id":"1","ID":"x"}`))
			if res.StatusCode != tt.status || res.Header.Get("Retry-After") != tt.retryAfter {
				t.Errorf("answer %d, Retry-After %q; want %d, %q", res.StatusCode, res.Header.Get("Retry-After"), tt.status, tt.retryAfter)
			}
			if o := e.outcomes[0]; o.Result != webhook.ResultFailed || !errors.Is(o.Reason, tt.reason) {
				t.Errorf("outcome = %+v", o)
			}
			if strings.Count(e.log.String(), "\n") != 1 {
				t.Errorf("log = %q, want one line", e.log.String())
			}
			if panicked := errors.Is(tt.reason, webhook.ErrPanic); panicked != strings.Contains(e.log.String(), "stack=") {
				t.Errorf("log = %q: a stack belongs to a panic", e.log.String())
			}
		})
	}
}

type teapot struct{ status int }

func (t teapot) Error() string   { return "teapot" }
func (t teapot) StatusCode() int { return t.status }

func TestOnErrorAnswersInsteadOfTheDefault(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
			if !errors.Is(err, webhook.ErrMethod) {
				t.Errorf("err = %v", err)
			}
			w.WriteHeader(499)
		}
	})
	r := plainRequest(`{}`)
	r.Method = "PUT"
	if res := serve(e, r); res.StatusCode != 499 || res.Header.Get("Allow") != "POST" {
		t.Errorf("answer = %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestPanicInASchemeIsAnswered(t *testing.T) {
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(goodSecret)}, verify: func() { panic("bad scheme") }}
	})
	if res := serve(e, plainRequest(`{}`)); res.StatusCode != 500 || !errors.Is(e.outcomes[0].Reason, webhook.ErrPanic) {
		t.Errorf("answer = %d, outcome %+v", res.StatusCode, e.outcomes)
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	const canary = "canary-4111111111111111"
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = plain{secrets: []webhook.Secret{webhook.NewSecret(canary)}}
		c.OnEvent = func(_ context.Context, event webhook.Event) error {
			_, err := webhook.Decode[struct {
				Card int `json:"card"`
			}](event)
			return err
		}
	})
	answers := ""
	for _, body := range []string{`{"card":"` + canary + `"}`, `{"card":"` + canary, `{"` + canary + `":1,"` + canary + `":2}`, canary, "\"\xff" + canary + "\""} {
		for _, secret := range []string{canary, "wrong"} {
			answers += bodyOf(t, serve(e, plainSigned(secret, time.Now(), body)))
		}
	}
	outcomes, err := json.Marshal(e.outcomes)
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"the log": e.log.String(), "an answer": answers, "an outcome": string(outcomes) + fmt.Sprintf("%+v", e.outcomes)} {
		if strings.Contains(text, canary) {
			t.Errorf("%s shows the canary:\n%s", place, text)
		}
	}
	if strings.Count(e.log.String(), "\n") != 10 {
		t.Errorf("log has not one line for each refusal:\n%s", e.log.String())
	}
}
