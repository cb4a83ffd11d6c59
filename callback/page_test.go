package callback_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
)

func TestWantsPage(t *testing.T) {
	for _, tt := range []struct {
		name, accept, mode string
		want               bool
	}{
		{"Chrome navigates", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "navigate", true},
		{"an old browser navigates", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", true},
		{"a browser's fetch", "*/*", "cors", false},
		{"a fetch that asks for a page's text", "text/html", "same-origin", false},
		{"curl", "*/*", "", false},
		{"nothing said", "", "", false},
		{"JSON wanted", "application/json", "", false},
		{"JSON preferred", "text/html;q=0.5, application/json", "", false},
		{"HTML preferred", "application/problem+json;q=0.5, Text/HTML", "", true},
		{"HTML refused", "text/html;q=0", "", false},
		{"a weight that is none", "text/html;q=x", "", false},
		{"a weight that is NaN", "text/html;q=NaN", "", false},
		{"another parameter", "text/html;level=1;q=0.3", "", true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.accept != "" {
			r.Header.Set("Accept", tt.accept)
		}
		if tt.mode != "" {
			r.Header.Set("Sec-Fetch-Mode", tt.mode)
		}
		if got := callback.WantsPage(r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestRefuse(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	callback.Refuse(w, r, errors.New("dial tcp 10.0.0.7: refused"), "", nil)
	const want = `{"detail":"It was not your doing. Try again in a moment.","status":500,"title":"Something went wrong on our side"}` + "\n"
	if w.Code != 500 || w.Body.String() != want || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}

	w = httptest.NewRecorder()
	callback.Refuse(w, r, callback.ErrDenied, "/login?return_to=%2F", nil)
	if !strings.Contains(w.Body.String(), `"retry":"/login?return_to=%2F"`) || !strings.Contains(w.Header().Get("Vary"), "Accept") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}

	r.Header.Set("Accept", "text/html")
	w = httptest.NewRecorder()
	callback.Refuse(w, r, callback.ErrDenied, "javascript:alert(1)", nil)
	if body := w.Body.String(); strings.Contains(body, "javascript:") || !strings.Contains(body, `<html lang="en">`) || !strings.Contains(body, "<title>The other side said no</title>") {
		t.Errorf("page: %s", body)
	}
}

func TestStyleOfThePageIsAllowedByItsPolicy(t *testing.T) {
	w := httptest.NewRecorder()
	if err := (callback.Page{Status: 200}).Write(w, httptest.NewRequest("GET", "/", nil), nil); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := w.Header().Get("Content-Security-Policy")
	if style == "" || !strings.Contains(policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.HasSuffix(policy, "form-action 'none'") {
		t.Errorf("policy %q of style %q", policy, style)
	}
}
