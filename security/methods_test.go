package security_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/security"
)

func TestMethods(t *testing.T) {
	for _, row := range []struct {
		name   string
		config security.MethodsConfig
		method string
		want   int
	}{
		{"GET", security.MethodsConfig{}, "GET", 200},
		{"OPTIONS", security.MethodsConfig{}, "OPTIONS", 200},
		{"TRACE", security.MethodsConfig{}, "TRACE", 501},
		{"CONNECT", security.MethodsConfig{}, "CONNECT", 501},
		{"a method of the client's own", security.MethodsConfig{}, "GRAB", 501},
		{"methods are case-sensitive", security.MethodsConfig{}, "get", 501},
		{"a method that was allowed", security.MethodsConfig{Allow: []string{"PROPFIND"}}, "PROPFIND", 200},
		{"GET where it is not", security.MethodsConfig{Allow: []string{"PROPFIND"}}, "GET", 501},
	} {
		row.config.Logger = slog.New(slog.DiscardHandler)
		m, err := security.NewMethods(row.config)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method = row.method
		w := httptest.NewRecorder()
		m.Wrap(whoami).ServeHTTP(w, r)
		if err := m.Check(r); w.Code != row.want || (row.want == 501) != errors.Is(err, security.ErrMethod) {
			t.Errorf("%s: %d, %v", row.name, w.Code, err)
		}
	}
	_, err := security.NewMethods(security.MethodsConfig{Allow: []string{"", "a b"}})
	if err == nil || err.Error() != "security: MethodsConfig.Allow[0] = \"\" must be a method\nsecurity: MethodsConfig.Allow[1] = \"a b\" must be a method" {
		t.Errorf("got %v", err)
	}
	if _, err := security.NewMethods(security.MethodsConfig{Allow: []string{}}); err == nil {
		t.Error("no method at all")
	}
}

func ExampleNewMethods() {
	methods, err := security.NewMethods(security.MethodsConfig{Allow: []string{"GET", "HEAD"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	methods.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("TRACE", "/", nil))
	fmt.Println(w.Code)
	// Output: 501
}
