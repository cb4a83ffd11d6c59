package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

const conformanceSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is a process that receives Standard Webhooks over HTTP and can be restarted.
type receiver struct {
	t       *testing.T
	server  *httptest.Server
	store   *webhook.Memory // survives a restart, as a shared store does
	onEvent func(context.Context, webhook.Event) error

	mu      sync.Mutex
	handled []string // ids of the events that OnEvent returned nil for
	log     bytes.Buffer
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{t: t, store: newMemory(t, webhook.MemoryConfig{})}
	r.onEvent = func(context.Context, webhook.Event) error { return nil }
	r.start()
	t.Cleanup(func() { r.server.Close() })
	return r
}

func (r *receiver) start() {
	endpoint, err := webhook.New(webhook.Config{
		Scheme: provider.StandardWebhooks{Secrets: []webhook.Secret{webhook.NewSecret(conformanceSecret)}},
		OnEvent: func(ctx context.Context, e webhook.Event) error {
			if err := r.onEvent(ctx, e); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.handled = append(r.handled, e.ID)
			return nil
		},
		Dedupe:         r.store,
		HandlerTimeout: 500 * time.Millisecond,
		Logger:         slog.New(slog.NewTextHandler(&lockedWriter{w: &r.log, mu: &r.mu}, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = httptest.NewServer(endpoint)
}

func (r *receiver) restart() {
	r.server.Close()
	r.start()
}

// lockedWriter lets a log be read while requests run.
type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}

// delivery is one attempt, to be altered before it is sent.
type delivery struct {
	id, body, secret string
	at               time.Time
	alter            func(*http.Request)
	timeout          time.Duration // after which the sender hangs up
}

// send makes the attempt and returns the status of the answer, 0 where the sender hung up before.
func (r *receiver) send(d delivery) int {
	r.t.Helper()
	if d.secret == "" {
		d.secret = conformanceSecret
	}
	if d.body == "" {
		d.body = `{"type":"invoice.paid"}`
	}
	if d.timeout == 0 {
		d.timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), d.timeout)
	defer cancel()
	req, err := webhooktest.Delivery{
		Scheme: provider.StandardWebhooks{}, Key: webhook.NewSecret(d.secret), URL: r.server.URL,
		Header: http.Header{"Webhook-Id": {d.id}}, Body: []byte(d.body), At: d.at,
	}.Request(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if d.alter != nil {
		d.alter(req)
	}
	res, err := r.server.Client().Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// want checks which events were handled, in which order.
func (r *receiver) want(ids ...string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.handled, ids) {
		r.t.Errorf("handled %q, want %q", r.handled, ids)
	}
}

func (r *receiver) answers(got, want int) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("answer %d, want %d", got, want)
	}
}

func TestReceiverConformance(t *testing.T) {
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	tests := []struct {
		name string
		play func(*receiver)
	}{
		{"sequential duplicates", func(r *receiver) {
			for range 3 {
				r.answers(r.send(delivery{id: "evt_1"}), 200)
			}
			r.want("evt_1")
		}},
		{"concurrent duplicates", func(r *receiver) {
			r.onEvent = func(context.Context, webhook.Event) error { time.Sleep(50 * time.Millisecond); return nil }
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { r.answers(r.send(delivery{id: "evt_1"}), 200) })
			}
			all.Wait()
			r.want("evt_1")
		}},
		{"order reversal", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_2"}), 200)
			r.answers(r.send(delivery{id: "evt_1", at: time.Now().Add(-time.Minute)}), 200)
			r.want("evt_2", "evt_1")
		}},
		{"timeout then retry", func(r *receiver) {
			release := make(chan struct{})
			r.onEvent = func(context.Context, webhook.Event) error { <-release; return nil }
			r.answers(r.send(delivery{id: "evt_1"}), 503)
			close(release)
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			r.want("evt_1")
		}},
		{"connection loss then retry", func(r *receiver) {
			entered, release := make(chan struct{}, 1), make(chan struct{})
			r.onEvent = func(context.Context, webhook.Event) error { entered <- struct{}{}; <-release; return nil }
			r.answers(r.send(delivery{id: "evt_1", timeout: 100 * time.Millisecond}), 0)
			<-entered
			close(release)
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			r.want("evt_1")
		}},
		{"missing signature", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_1", alter: func(q *http.Request) { q.Header.Del("Webhook-Signature") }}), 401)
			r.want()
		}},
		{"malformed signature", func(r *receiver) {
			for _, value := range []string{"", "v1,", "v1,%%%", "v2,AAAA", "v1,AAAA", "garbage"} {
				r.answers(r.send(delivery{id: "evt_1", alter: set("Webhook-Signature", value)}), 401)
			}
			r.want()
		}},
		{"wrong-key signature", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_1", secret: "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}), 401)
			r.want()
		}},
		{"stale and early timestamps", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_1", at: time.Now().Add(-6 * time.Minute)}), 401)
			r.answers(r.send(delivery{id: "evt_1", at: time.Now().Add(6 * time.Minute)}), 401)
			r.want()
		}},
		{"altered body", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_1", alter: func(q *http.Request) {
				q.Body = io.NopCloser(strings.NewReader(`{"type":"invoice.void"}`))
			}}), 401)
			r.want()
		}},
		{"malformed body", func(r *receiver) {
			r.onEvent = func(_ context.Context, e webhook.Event) error {
				_, err := webhook.Decode[map[string]any](e)
				return err
			}
			r.answers(r.send(delivery{id: "evt_1", body: `{"type":`}), 400)
			r.want()
		}},
		{"restart", func(r *receiver) {
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			r.restart()
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			r.answers(r.send(delivery{id: "evt_2"}), 200)
			r.want("evt_1", "evt_2")
		}},
		{"partial processing", func(r *receiver) {
			var steps []string
			r.onEvent = func(_ context.Context, e webhook.Event) error {
				steps = append(steps, "charge")
				if len(steps) == 1 {
					return errors.New("mail server is down")
				}
				steps = append(steps, "mail")
				return nil
			}
			r.answers(r.send(delivery{id: "evt_1"}), 500)
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			r.answers(r.send(delivery{id: "evt_1"}), 200)
			if got := strings.Join(steps, " "); got != "charge charge mail" {
				r.t.Errorf("steps = %q: the attempt that failed half way must be handled again, the one that succeeded not", got)
			}
		}},
		{"redaction canary", func(r *receiver) {
			const canary = "4111111111111111"
			r.onEvent = func(_ context.Context, e webhook.Event) error {
				_, err := webhook.Decode[struct {
					Card bool `json:"card"`
				}](e)
				return err
			}
			body := `{"card":"` + canary + `"}`
			r.answers(r.send(delivery{id: "evt_1", body: body}), 400)
			r.answers(r.send(delivery{id: "evt_1", body: body, alter: set("Webhook-Signature", "v1,"+canary)}), 401)
			r.mu.Lock()
			defer r.mu.Unlock()
			log := r.log.String()
			if strings.Count(log, "\n") != 2 || strings.Contains(log, canary) || strings.Contains(log, conformanceSecret[6:]) {
				r.t.Errorf("log = %q, want two lines without card number and secret", log)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t)
			r.t = t
			tt.play(r)
		})
	}

	t.Run("malformed content type", func(t *testing.T) { // GitHub promises one, Standard Webhooks does not
		e := newEndpoint(t, func(c *webhook.Config) {
			c.Scheme = provider.GitHub{Secrets: []webhook.Secret{webhook.NewSecret("s")}}
		})
		for _, contentType := range []string{"text/html", "application/", "application/json;;", "json"} {
			res := webhooktest.Send(t, e, webhooktest.Delivery{
				Scheme: provider.GitHub{}, Key: webhook.NewSecret("s"), Body: []byte("{}"), Header: http.Header{"Content-Type": {contentType}},
			})
			if res.StatusCode != 415 {
				t.Errorf("Content-Type %q: %d, want 415", contentType, res.StatusCode)
			}
		}
	})
}
