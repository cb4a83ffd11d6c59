package proxy_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
	"github.com/gatehouse-go/gatehouse/proxy"
)

// The line of a refusal names the id that the client got.
func TestARefusalInTheLogNamesTheRequest(t *testing.T) {
	var log strings.Builder
	p := newProxy(t, proxy.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r := httptest.NewRequest("GET", "/a%2Fb", nil)
	w := httptest.NewRecorder()
	p.Wrap(http.NotFoundHandler()).ServeHTTP(w, r.WithContext(requestid.With(r.Context(), "R1")))
	if w.Code != 400 || !strings.Contains(log.String(), "request_id=R1") || !strings.Contains(w.Body.String(), `"request_id":"R1"`) {
		t.Errorf("%d %s, and the log says %s", w.Code, w.Body, log.String())
	}
}
