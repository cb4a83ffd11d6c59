package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/security/sanitize"
)

// item is what the API keeps.
type item struct {
	Name  string `json:"name" sanitize:"text"`
	Count uint16 `json:"count"`
}

// Validate is called by security.Decode.
func (i *item) Validate() []security.Fault {
	if i.Name == "" || len(i.Name) > 80 {
		return []security.Fault{{Pointer: "/name", Detail: "must be 1 to 80 bytes of text"}}
	}
	return nil
}

// reportsPath is where browsers send what the page's policy blocked.
const reportsPath = "/reports"

// maxItems bounds the list.
const maxItems = 100

// items is a list in memory.
type items struct {
	decode security.DecodeConfig
	mu     sync.Mutex
	list   []item
}

//go:embed page.html
var pageSource string

// site is the handler behind the chain. It has to know nothing of it, but that a page asks for its nonce.
func site(logger *slog.Logger) (http.Handler, error) {
	page, err := template.New("page").Parse(pageSource)
	if err != nil {
		return nil, err
	}
	policy, err := sanitize.New(sanitize.Config{})
	if err != nil {
		return nil, err
	}
	reports, err := security.NewReports(security.ReportsConfig{Logger: logger})
	if err != nil {
		return nil, err
	}
	store := &items{decode: security.DecodeConfig{Sanitize: policy.Fields()}, list: []item{{Name: "apples", Count: 4}}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/items", store.get)
	mux.HandleFunc("POST /api/items", store.post)
	mux.Handle("POST "+reportsPath, reports)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, struct{ Nonce string }{security.Nonce(r.Context())}) // the client is gone if this fails
	})
	return mux, nil
}

func (s *items) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	body, err := json.Marshal(s.list)
	s.mu.Unlock()
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client is gone if this fails
}

func (s *items) post(w http.ResponseWriter, r *http.Request) {
	it, err := security.Decode[item](r, s.decode)
	if err != nil {
		security.WriteError(w, r, err)
		return
	}
	s.mu.Lock()
	s.list = append(s.list, it)
	s.list = s.list[max(0, len(s.list)-maxItems):]
	s.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}
