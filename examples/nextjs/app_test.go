package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", string(b))
}

func TestWebhookRefreshesWhatIsCached(t *testing.T) {
	base := "http://" + newRig(t).addr
	page, data := get(t, base+"/cached"), get(t, base+"/cached-data")
	if get(t, base+"/cached") != page || get(t, base+"/cached-data") != data {
		t.Error("a cached route changed by itself")
	}
	if got := get(t, base+"/webhook?token=wrong&tag=posts"); got != `401 {"success":false}` || get(t, base+"/cached") != page {
		t.Errorf("a wrong token: %s", got)
	}
	if got := get(t, base+"/webhook?token=s3cret&tag=other"); got != `200 {"success":true}` || get(t, base+"/cached") != page {
		t.Errorf("another tag: %s", got)
	}
	if got := get(t, base+"/webhook?token=s3cret&tag=posts"); got != `200 {"success":true}` {
		t.Errorf("webhook: %s", got)
	}
	if get(t, base+"/cached") == page || get(t, base+"/cached-data") == data {
		t.Error("a cached route did not change")
	}
}

func TestRunServesUntilItIsStopped(t *testing.T) {
	t.Setenv("REVALIDATE_SECRET_TOKEN", "")
	if err := run(context.Background(), "127.0.0.1:0", "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "Tokens") {
		t.Errorf("an empty secret: %v", err)
	}
	t.Setenv("REVALIDATE_SECRET_TOKEN", "s3cret")
	if err := run(context.Background(), "127.0.0.1:0", "no URL"); err == nil {
		t.Error("an upstream that is no URL was taken")
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, "127.0.0.1:0", "http://127.0.0.1:1") }()
	time.AfterFunc(50*time.Millisecond, stop)
	if err := <-done; err != nil {
		t.Errorf("after a stop: %v", err)
	}
}
