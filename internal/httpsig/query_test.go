package httpsig_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

// Whoever sends a signature chooses the query and how many of its parameters are covered: reading it once more for each would make a small
// request a large job, before anything is verified.
func TestAQueryIsReadOnce(t *testing.T) {
	var query, covered []string
	for i := range 1000 {
		query = append(query, fmt.Sprintf("a%d=", i))
	}
	for i := range 60 {
		covered = append(covered, fmt.Sprintf(`"@query-param";name="a%d"`, i))
	}
	public := &url.URL{Scheme: "https", Host: "example.com", Path: "/"}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: strings.Join(query, "&")}, Header: http.Header{}}
	inputs, err := httpsig.ParseDictionary([]string{"sig=(" + strings.Join(covered, " ") + ");created=1"})
	if err != nil {
		t.Fatal(err)
	}
	once := testing.AllocsPerRun(10, func() { _, _ = url.ParseQuery(r.URL.RawQuery) })
	got := testing.AllocsPerRun(10, func() {
		if _, err := httpsig.Base(inputs[0], public, r, 0); err != nil {
			t.Fatal(err)
		}
	})
	if got > 3*once {
		t.Errorf("%v allocations, where reading the query takes %v", got, once)
	}
}
