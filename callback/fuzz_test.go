package callback_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
)

// FuzzReturn sends any query to a handler that takes every ticket and holds to the flow, and to one that takes any return: neither may
// fail, and only the second may redirect, and only to where a browser stays.
func FuzzReturn(f *testing.F) {
	for _, q := range []string{"", "session_token=a", "session_token=a&redirect_url=/x", "session_token=a&redirect_url=//evil.example", "state=x&error=y", "a=%zz", "session_token=a&session_token=b"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		c := config(t, &tickets{})
		c.Redeem = func(context.Context, string) (user, error) { return user{"Ana"}, nil }
		for _, unsolicited := range []bool{false, true} {
			c.InsecureUnsolicited = unsolicited
			h, err := callback.New(c)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("GET", "/callback", nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			location := w.Header().Get("Location")
			if w.Code >= 500 || (w.Code == 303) != (location != "") || (!unsolicited && w.Code < 400) {
				t.Errorf("%q: %d %s", query, w.Code, location)
			}
			if location != "" {
				u, err := url.Parse("https://app.example.com/callback")
				if err != nil {
					t.Fatal(err)
				}
				if u, err = u.Parse(location); err == nil && u.Host != "app.example.com" {
					t.Errorf("%q leads to %s", query, location)
				}
			}
		}
	})
}

func FuzzWantsPage(f *testing.F) {
	for _, accept := range []string{"text/html", "*/*", "text/html;q=0.5, application/json", "text/html;q=NaN", ";;q=,"} {
		f.Add(accept)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if callback.WantsPage(r) && !strings.Contains(strings.ToLower(accept), "html") {
			t.Errorf("%q is taken for a page", accept)
		}
	})
}
