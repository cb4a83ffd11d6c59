package reqbody_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// unsized is a request as an adapter makes it that does not know the length: ContentLength is 0 and there is a body.
func unsized(body io.Reader) *http.Request {
	r := httptest.NewRequest("POST", "/", nil)
	r.Body, r.ContentLength = io.NopCloser(body), 0
	return r
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestEmpty(t *testing.T) {
	sized := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	bodiless := httptest.NewRequest("POST", "/", nil)
	bodiless.Body = nil
	for _, row := range []struct {
		name   string
		r      *http.Request
		empty  bool
		length int64
		body   string
		err    error
	}{
		{"no body at all", bodiless, true, 0, "", nil},
		{"http.NoBody", httptest.NewRequest("GET", "/", nil), true, 0, "", nil},
		{"a declared length", sized, false, 1, "x", nil},
		{"a body that ends at once, as HTTP/2 brings it", unsized(strings.NewReader("")), true, 0, "", nil},
		{"a body whose length nobody said", unsized(strings.NewReader(`{"a":1}`)), false, -1, `{"a":1}`, nil},
		{"one that comes byte by byte", unsized(iotest.OneByteReader(strings.NewReader("abc"))), false, -1, "abc", nil},
		{"one that ends with its last byte", unsized(iotest.DataErrReader(strings.NewReader("a"))), false, -1, "a", nil},
		{"one that fails", unsized(iotest.ErrReader(errTorn)), false, -1, "", errTorn},
		{"one that brings nothing, for ever", unsized(nothing{}), false, -1, "", io.ErrNoProgress},
	} {
		if got := reqbody.Empty(row.r); got != row.empty || row.r.ContentLength != row.length {
			t.Errorf("%s: empty %v, length %d", row.name, got, row.r.ContentLength)
		}
		if row.r.Body == nil {
			continue
		}
		if body, err := io.ReadAll(row.r.Body); string(body) != row.body || !errors.Is(err, row.err) {
			t.Errorf("%s: %q %v", row.name, body, err)
		}
	}
	if body, err := reqbody.Read(httptest.NewRecorder(), unsized(strings.NewReader("whole")), limits); string(body) != "whole" || err != nil {
		t.Errorf("%q %v", body, err)
	}
}

var errTorn = errors.New("torn")
