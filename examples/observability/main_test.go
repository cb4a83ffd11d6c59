package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

const patience = 2 * time.Minute

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // published with Standard Webhooks' examples

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get waits until an address answers, and returns what it says.
func get(t *testing.T, url string) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(url)
		if err == nil {
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// Every metric and label that the dashboard asks for is one that the server reports.
func TestTheDashboardShowsWhatIsReported(t *testing.T) {
	addr, metricsAddr := freeAddress(t), freeAddress(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, addr, metricsAddr, filepath.Join(t.TempDir(), "events.db"), secret) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	if page := get(t, "http://"+addr+"/"); !strings.HasPrefix(page, "0 events") {
		t.Errorf("the page says %q", page)
	}
	for _, key := range []string{secret, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} { // the second is refused
		r, err := webhooktest.Delivery{
			Scheme: provider.StandardWebhooks{}, Key: webhook.NewSecret(key), URL: "http://" + addr + "/hooks/standard", Body: []byte(`{"type":"invoice.paid"}`),
		}.Request(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI = ""
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for end := time.Now().Add(patience); !strings.HasPrefix(get(t, "http://"+addr+"/"), "1 event"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the event was not handled, or did not refresh the page")
		}
	}

	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile("dashboard.json")
	if err == nil {
		err = json.Unmarshal(text, &dashboard)
	}
	if err != nil || len(dashboard.Panels) == 0 {
		t.Fatal(err)
	}
	var reported string
	missing := func() (missing []string) {
		reported = get(t, "http://"+metricsAddr+"/metrics")
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				for _, name := range regexp.MustCompile(`\b(http|messaging|gatehouse)_[a-z_]+`).FindAllString(target.Expr, -1) {
					if !strings.Contains(reported, "\n"+name+"{") && !strings.Contains(reported, name+"=\"") {
						missing = append(missing, panel.Title+": "+name)
					}
				}
			}
		}
		return missing
	}
	// The page is refreshed while the event is handled, and how long that took is reported when it is done.
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if left := missing(); len(left) == 0 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("not reported: %q, of\n%s", left, reported)
		}
	}
}
