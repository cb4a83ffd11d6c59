package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
)

// shared lets shared caches keep a page until the webhook names its tag.
const shared = "s-maxage=31536000"

func document(body string) []byte {
	return []byte("<!DOCTYPE html><html><body>" + body + "</body></html>")
}

func html(w http.ResponseWriter, document []byte) {
	w.Header().Set("Cache-Control", shared)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(document) // the client is gone if this fails
}

func (a *app) home(w http.ResponseWriter, _ *http.Request) { html(w, document("<p>home</p>")) }

// static is a force-static route: its answer is made once, at start.
func static() http.HandlerFunc {
	built := time.Now().UnixMilli()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", shared)
		writeJSON(w, map[string]int64{"built": built})
	}
}

// cached returns the answer that is kept under key with tag "posts", and makes it where there is none.
func (a *app) cached(ctx context.Context, key string, answer func() ([]byte, error)) ([]byte, error) {
	return revalidate.Get(ctx, a.cache, key, revalidate.Options{Tags: []string{"posts"}, Life: revalidate.Life{Revalidate: revalidate.Forever, Expire: revalidate.Forever}},
		func(context.Context) ([]byte, error) { return answer() })
}

func (a *app) cachedData(w http.ResponseWriter, r *http.Request) {
	body, err := a.cached(r.Context(), "cached-data", func() ([]byte, error) { return json.Marshal(measure()) })
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client is gone if this fails
}

func (a *app) cachedPage(w http.ResponseWriter, r *http.Request) {
	body, err := a.cached(r.Context(), "cached-page", func() ([]byte, error) {
		m := measure()
		return document(fmt.Sprintf(`<p id="v">at=%d r=%v</p>`, m.At, m.R)), nil
	})
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	html(w, body)
}
