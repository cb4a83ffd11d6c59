package main

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
	"golang.org/x/time/rate"
)

// maxBody bounds what a route reads. Next.js has no bound for route handlers.
const maxBody = 10 << 20

func writeJSON(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		security.WriteError(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client is gone if this fails
}

func answer(v any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, v) })
}

func text(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		_, _ = io.WriteString(w, body)
	})
}

var noContent = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

// createHandler is the article's factory: one handler for several methods.
func createHandler(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]string{"name": name, "method": r.Method})
	})
}

// params answers with the segments of a [...fn] or [[...p]] route.
func params(member string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := segments(r.PathValue("more"))
		if first := r.PathValue(member); first != "" {
			list = append([]string{first}, list...)
		}
		writeJSON(w, map[string][]string{member: list})
	})
}

// segments splits the rest of a path. No segment holds a slash: the proxy refuses encoded ones.
func segments(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func ctxID(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, map[string]string{"id": r.PathValue("id")})
}

// postBack sends a text body back.
func postBack(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		security.WriteError(w, r, security.ErrBodyTooLarge)
	case err != nil:
		security.WriteError(w, r, security.ErrSyntax)
	default:
		body := strings.TrimPrefix(strings.ToValidUTF8(string(body), "\uFFFD"), "\uFEFF") // as request.text() does
		text("post:"+body).ServeHTTP(w, r)
	}
}

// The hdr route has HEAD and OPTIONS of its own. Its GET does not send the request's fields back.
var (
	ownHead    = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Head", "own") })
	ownOptions = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "GET, X")
		w.WriteHeader(http.StatusNoContent)
	})
)

// limit allows a client a number of requests at once, which come back within ten seconds.
func limit(requests int) (*security.RateLimit, error) {
	return security.NewRateLimit(security.RateLimitConfig{
		Policies: []security.RatePolicy{{Limit: rate.Limit(float64(requests) / 10), Burst: requests, Key: security.ByIP()}},
		OnError:  security.AnswerJSON(`{"error":"Rate limit exceeded"}`),
	})
}

// onlyPost counts the requests that the route serves, and not those it refuses.
func onlyPost(l *security.RateLimit) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		limited := l.Wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				limited.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func slow(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(2 * time.Second):
		text("slow").ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

func failing(message string) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(message) })
}

// measurement is what the cached routes show: it changes only when it is fetched anew.
type measurement struct {
	At int64   `json:"at"`
	R  float64 `json:"r"`
}

func measure() measurement {
	return measurement{time.Now().UnixMilli(), rand.Float64()} //nolint:gosec // a number to look at
}
