package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// slowhttptest holds connections with headers, bodies and reads that never end; others are served meanwhile.
func TestSlowClients(t *testing.T) {
	path, err := exec.LookPath("slowhttptest")
	if err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
			t.Fatal("slowhttptest is required and not installed")
		}
		t.Skip("slowhttptest is not installed")
	}
	origin, _ := start(t, settings{limit: 1 << 20, readTimeout: 2 * time.Second})
	client := &http.Client{Timeout: 5 * time.Second}
	for _, row := range []struct{ name, args string }{
		{"headers", "-H -i 1"},
		{"bodies", "-B -i 1 -s 8192 -t POST"},
		{"reads", "-X -w 1 -y 10 -z 8 -k 3 -n 2"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		args := append(strings.Fields(row.args), "-c", "200", "-r", "200", "-l", "4", "-u", origin+"/api/items")
		attack := exec.CommandContext(ctx, path, args...)
		if err := attack.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = attack.Wait() // its exit status says how its own connections went
			close(ended)
		}()
		served := 0
		for running := true; running; {
			res, err := client.Get(origin + "/api/items")
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
				break
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", row.name, res.StatusCode)
			}
			served++
			select {
			case <-ended:
				running = false
			case <-time.After(200 * time.Millisecond):
			}
		}
		cancel()
		if served < 3 {
			t.Errorf("%s: served %d others", row.name, served)
		}
	}
}
