package examples_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// A cache inside the exported handler is filled as revalidate.Warm fills it, under the keys of clients, and a page that is warm is exported from it.
func TestExportSharesACacheWithWarm(t *testing.T) {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close(t.Context()) }()
	calls := map[string]int{}
	pages, err := gatehouse.CreateHandler(gatehouse.Methods{Static: true, Get: cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls[r.URL.Path]++
		w.Header().Set("Cache-Control", "s-maxage=60")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, r.URL.Path)
	}))})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/a", pages)
	mux.Handle("/b", pages)
	for _, base := range []string{"https://example.com", "http://example.org"} {
		clear(calls)
		if err := revalidate.Warm(t.Context(), mux, []string{base + "/a"}, 1, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: mux, BaseURL: base, Paths: []string{"/a", "/b"}, Dir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		if err := revalidate.Warm(t.Context(), mux, []string{base + "/a", base + "/b"}, 2, nil); err != nil {
			t.Fatal(err)
		}
		if calls["/a"] != 1 || calls["/b"] != 1 {
			t.Errorf("%s: calls of the handler: %v", base, calls)
		}
	}
}
