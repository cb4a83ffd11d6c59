package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAPI(t *testing.T) {
	origin, _ := start(t, settings{limit: 1000, readTimeout: 5 * time.Second})
	for _, row := range []struct {
		name, method, path, contentType, body string
		want                                  int
	}{
		{"the page", "GET", "/", "", "", 200},
		{"the items", "GET", "/api/items", "", "", 200},
		{"an item", "POST", "/api/items", "application/json", `{"name":"pears","count":3}`, 201},
		{"an item of markup alone", "POST", "/api/items", "application/json", `{"name":"<script>x</script>","count":3}`, 422},
		{"a number out of range", "POST", "/api/items", "application/json", `{"name":"pears","count":65536}`, 422},
		{"a name twice", "POST", "/api/items", "application/json", `{"name":"a","name":"b"}`, 400},
		{"a form", "POST", "/api/items", "application/x-www-form-urlencoded", `name=a`, 415},
		{"a large body", "POST", "/api/items", "application/json", `{"name":"` + strings.Repeat("a", 70<<10) + `"}`, 413},
		{"another method", "DELETE", "/api/items", "", "", 405},
		{"TRACE", "TRACE", "/", "", "", 501},
		{"a path with two readings", "GET", "/api/%2e%2e/items", "", "", 400},
		{"nothing there", "GET", "/x", "", "", 404},
	} {
		r, err := http.NewRequestWithContext(context.Background(), row.method, origin+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", row.contentType)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != row.want || res.Header.Get("X-Content-Type-Options") != "nosniff" && row.want != 400 {
			t.Errorf("%s: got %d %s", row.name, res.StatusCode, body)
		}
	}
	res, err := http.Get(origin + "/api/items")
	if err != nil {
		t.Fatal(err)
	}
	var list []item
	err = json.NewDecoder(res.Body).Decode(&list)
	_ = res.Body.Close()
	if err != nil || len(list) != 2 || list[1] != (item{"pears", 3}) {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestListIsBounded(t *testing.T) {
	origin, _ := start(t, settings{limit: 1000, readTimeout: 5 * time.Second})
	for i := range maxItems + 5 {
		res, err := http.Post(origin+"/api/items", "application/json", strings.NewReader(fmt.Sprintf(`{"name":"n%d","count":1}`, i)))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	res, err := http.Get(origin + "/api/items")
	if err != nil {
		t.Fatal(err)
	}
	var list []item
	err = json.NewDecoder(res.Body).Decode(&list)
	_ = res.Body.Close()
	if err != nil || len(list) != maxItems || list[0].Name != "n5" {
		t.Errorf("%d items, the first %v, %v", len(list), list[0], err)
	}
}

func TestLimit(t *testing.T) {
	origin, _ := start(t, settings{limit: 3, readTimeout: 5 * time.Second})
	for i, want := range []int{200, 200, 200, 429} {
		res, err := http.Get(origin + "/api/items")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || want == 429 && res.Header.Get("Retry-After") == "" {
			t.Errorf("request %d: %d %v", i, res.StatusCode, res.Header)
		}
	}
}

// A body that does not come is given up with 408, and others are served meanwhile.
func TestSlowBody(t *testing.T) {
	origin, _ := start(t, settings{limit: 1000, readTimeout: 300 * time.Millisecond})
	conn, err := net.Dial("tcp", strings.TrimPrefix(origin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "POST /api/items HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", strings.TrimPrefix(origin, "http://")); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 408 {
		t.Errorf("got %d", res.StatusCode)
	}
}

func TestRunReportsMistakes(t *testing.T) {
	for _, addr := range []string{"nowhere", "127.0.0.1:0"} {
		if err := run(context.Background(), addr, settings{limit: -1, log: io.Discard}, io.Discard); err == nil {
			t.Errorf("%s: no error", addr)
		}
	}
}
