package inboxtest

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

// A Provider sends events to an endpoint that stores them in an inbox.
type Provider struct {
	endpoint http.Handler
	secret   webhook.Secret
}

// NewProvider returns a Provider whose events are stored in a.
func NewProvider(t *testing.T, a inbox.Accepter) *Provider {
	t.Helper()
	secret := webhook.NewSecret("whsec_of_the_suite")
	endpoint, err := webhook.New(webhook.Config{
		Scheme: provider.Stripe{Secrets: []webhook.Secret{secret}}, OnEvent: inbox.Receive(a), Dedupe: webhook.InsecureNoDedupe{},
		Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	return &Provider{endpoint, secret}
}

// Send sends the event with an id, its body at least so many bytes long, and reports whether it was stored. If not, the answer must ask for
// it again: 503, and when. An event that is sent again has another body, as one of Stripe's may.
func (p *Provider) Send(t *testing.T, id string, size int) (stored bool) {
	t.Helper()
	padding := make([]byte, size*3/4)
	_, _ = rand.Read(padding) // never fails, and cannot be made shorter
	answer := webhooktest.Send(t, p.endpoint, webhooktest.Delivery{
		Scheme: provider.Stripe{}, Key: p.secret,
		Body: fmt.Appendf(nil, `{"id":%q,"type":"t","padding":%q}`, id, base64.StdEncoding.EncodeToString(padding)),
	})
	_ = answer.Body.Close() // of a recorder
	after, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	switch {
	case answer.StatusCode == http.StatusOK:
		return true
	case answer.StatusCode != http.StatusServiceUnavailable || err != nil || after < 1:
		t.Errorf("event %s is answered %s with Retry-After %q", id, answer.Status, answer.Header.Get("Retry-After"))
	}
	return false
}

// SendUntil sends the event with an id until it is stored.
func (p *Provider) SendUntil(t *testing.T, id string, size int) {
	t.Helper()
	for end := time.Now().Add(patience); !p.Send(t, id, size); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("event %s is not stored", id)
		}
	}
}

// asksAgain has a provider send while the queue is full: it is told to come again, and when it does, each event is stored once.
func asksAgain[T any](t *testing.T, e Engine[T]) {
	t.Helper()
	if e.Block == nil {
		t.Skip("the engine does not say how its ledger is kept from storing")
	}
	l := e.New(t)
	c := quick()
	c.MaxQueue = 2
	box := open(t, l, c)
	p := NewProvider(t, box)
	unblock := e.Block(t, l)
	var wait sync.WaitGroup
	defer testwait.End(t, "the answers", wait.Wait)
	defer unblock()
	refused := make(chan bool, 1000)
	sent := 0
	for end := time.Now().Add(patience); len(refused) == 0; sent++ {
		if time.Now().After(end) || sent == cap(refused) {
			t.Fatalf("none of %d events is refused", sent)
		}
		id := strconv.Itoa(sent)
		wait.Go(func() {
			if !p.Send(t, id, 1) {
				refused <- true
			}
		})
		time.Sleep(time.Millisecond)
	}
	unblock()
	testwait.All(t, "the answers", &wait)
	for i := range sent {
		p.SendUntil(t, strconv.Itoa(i), 1)
	}
	if stats, err := box.Stats(t.Context()); err != nil || stats.Total(inbox.Pending) != int64(sent) {
		t.Errorf("%d events, %+v, %v", sent, stats, err)
	}
	Honest(t, box)
}
