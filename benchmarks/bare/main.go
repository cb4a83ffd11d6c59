// Command bare is what the chain part measures gatehouse against: the requests of examples/nextjs answered by a server written by
// hand on net/http, with a switch on the path and nothing that a request does not need.
//
//	go run ./benchmarks/bare 127.0.0.1:8080
package main

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// The bodies are as long as those of the example.
var (
	no        = []byte(`{"success":false}`)
	yes       = []byte(`{"success":true}`)
	forbidden = []byte(`{"message":"authentication failed","success":false}`)
	exceeded  = []byte(`{"error":"Rate limit exceeded"}`)
	hello     = []byte(`{"hello":"world"}`)
	page      = []byte(`<!DOCTYPE html><html><body><p id="v">at=1795512168628 r=0.7132557990912076</p></body></html>`)
	data      = []byte(`{"at":1795512168655,"r":0.10409437522652376}`)
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bare ADDRESS")
		os.Exit(2)
	}
	server := http.Server{Addr: os.Args[1], Handler: proxy(routes([]byte(os.Getenv("REVALIDATE_SECRET_TOKEN"))))} //nolint:gosec // without deadlines it is the least that a server can do
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

func answer(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header()["Content-Type"] = []string{kind}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func redirect(w http.ResponseWriter, location string, status int) {
	w.Header()["Location"] = []string{location}
	w.WriteHeader(status)
}

// proxy is what proxy.ts and next.config.ts say.
func proxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/api" || strings.HasPrefix(path, "/api/"):
			if r.Header.Get("Authorization") != "Bearer secret" {
				answer(w, http.StatusUnauthorized, "application/json", forbidden)
				return
			}
		case strings.HasPrefix(path, "/prwo/"):
			r.URL.Path = "/opts"
		case strings.HasPrefix(path, "/pold/"):
			redirect(w, "/new"+path[len("/pold"):], http.StatusTemporaryRedirect)
			return
		case strings.HasPrefix(path, "/old-perm/"):
			redirect(w, "/new"+path[len("/old-perm"):], http.StatusPermanentRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func routes(secret []byte) http.Handler {
	var tags sync.Map // name -> *atomic.Int64
	tag := func(name string) *atomic.Int64 {
		count, ok := tags.Load(name)
		if !ok {
			count, _ = tags.LoadOrStore(name, new(atomic.Int64))
		}
		return count.(*atomic.Int64) //nolint:forcetypeassert // nothing else is stored
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /webhook", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		name := query.Get("tag")
		switch {
		case subtle.ConstantTimeCompare([]byte(query.Get("token")), secret) != 1:
			answer(w, http.StatusUnauthorized, "application/json", no)
		case name == "":
			answer(w, http.StatusBadRequest, "application/json", no)
		default:
			tag(name).Add(1)
			answer(w, http.StatusOK, "application/json", yes)
		}
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		target, err := url.Parse(query.Get("redirect_url"))
		if err != nil || target.Host != "" || target.Scheme != "" || !strings.HasPrefix(target.Path, "/") {
			answer(w, http.StatusBadRequest, "application/json", no)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "_token", Value: query.Get("session_token"), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		redirect(w, target.String(), http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("GET /opts", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "text/plain;charset=UTF-8", []byte("get"))
	})
	mux.HandleFunc("OPTIONS /opts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Allow"] = []string{"DELETE, GET, HEAD, OPTIONS, POST"}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /api/hello", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "application/json", hello) })
	mux.HandleFunc("POST /limited", limited(5))
	mux.HandleFunc("POST /limited-big", limited(1<<60))
	mux.HandleFunc("GET /cached", func(w http.ResponseWriter, _ *http.Request) {
		_ = tag("posts").Load() // whether the copy is still good
		w.Header()["Cache-Control"] = []string{"s-maxage=31536000"}
		answer(w, http.StatusOK, "text/html; charset=utf-8", page)
	})
	mux.HandleFunc("GET /cached-data", func(w http.ResponseWriter, _ *http.Request) {
		_ = tag("posts").Load()
		answer(w, http.StatusOK, "application/json", data)
	})
	return mux
}

// limited counts the requests of each address.
func limited(most int) http.HandlerFunc {
	var mu sync.Mutex
	counts := make(map[string]int)
	return func(w http.ResponseWriter, r *http.Request) {
		address, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		counts[address]++
		n := counts[address]
		mu.Unlock()
		if n > most {
			answer(w, http.StatusTooManyRequests, "application/json", exceeded)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
