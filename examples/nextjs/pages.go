package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
)

// shared lets shared caches keep a page until the webhook names its tag.
const shared = "s-maxage=31536000"

func html(w http.ResponseWriter, body string) {
	w.Header().Set("Cache-Control", shared)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprint(w, "<!DOCTYPE html><html><body>", body, "</body></html>")
}

func (a *app) home(w http.ResponseWriter, _ *http.Request) { html(w, "<p>home</p>") }

// static is a force-static route: its answer is made once, at start.
func static() http.HandlerFunc {
	built := time.Now().UnixMilli()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", shared)
		writeJSON(w, map[string]int64{"built": built})
	}
}

// cached returns the measurement stored under key and tag "posts".
func (a *app) cached(ctx context.Context, key string) (measurement, error) {
	return revalidate.Get(ctx, a.cache, key, revalidate.Options{Tags: []string{"posts"}, Life: revalidate.Life{Revalidate: revalidate.Forever, Expire: revalidate.Forever}},
		func(context.Context) (measurement, error) { return measure(), nil })
}

func (a *app) cachedData(w http.ResponseWriter, r *http.Request) {
	m, err := a.cached(r.Context(), "cached-data")
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	writeJSON(w, m)
}

func (a *app) cachedPage(w http.ResponseWriter, r *http.Request) {
	m, err := a.cached(r.Context(), "cached-page")
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	html(w, fmt.Sprintf(`<p id="v">at=%d r=%v</p>`, m.At, m.R))
}
