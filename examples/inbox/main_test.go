package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// send sends a request and returns its status and body.
func send(t *testing.T, method, address, body string, prepare func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// A payment that is sent twice is credited once, and an operator with the password sees it in the console.
func TestAPaymentIsCreditedOnceAndShown(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, options{addr: addr, db: filepath.Join(t.TempDir(), "inbox.db"), secret: secret, password: "correct horse", workers: 2})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	origin := "http://" + addr
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if status, _ := send(t, "GET", origin+"/effects", "", nil); status == http.StatusOK {
			break
		}
	}
	scheme := provider.StandardWebhooks{Secrets: []webhook.Secret{webhook.NewSecret(secret)}}
	body := `{"type":"payment.made","card_number":"4242"}`
	for range 2 {
		status, text := send(t, "POST", origin+"/hooks/standard", body, func(r *http.Request) {
			r.Header.Set("Webhook-Id", "msg_1")
			if _, err := scheme.Sign(r, []byte(body), time.Now(), webhook.NewSecret(secret)); err != nil {
				t.Fatal(err)
			}
		})
		if status != http.StatusOK {
			t.Fatalf("got %d, %s", status, text)
		}
	}
	const want = `{"events":1,"effects":1,"duplicates":0,"pending":0,"dead":0}`
	var effects string
	for end := time.Now().Add(10 * time.Second); !strings.Contains(effects, want) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		_, effects = send(t, "GET", origin+"/effects", "", nil)
	}
	if !strings.Contains(effects, want) {
		t.Errorf("effects are %s", effects)
	}
	for _, row := range []struct {
		name, password string
		want           int
	}{{"nobody", "", 401}, {"a guess", "correct house", 401}, {"the operator", "correct horse", 200}} {
		status, page := send(t, "GET", origin+"/console/deliveries/1", "", func(r *http.Request) {
			if row.password != "" {
				r.SetBasicAuth("operator", row.password)
			}
		})
		if status != row.want || strings.Contains(page, "4242") || (row.want == 200) != strings.Contains(page, "payment.made") {
			t.Errorf("%s: %d, %s", row.name, status, page)
		}
	}
}
