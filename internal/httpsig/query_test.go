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
	target := httpsig.NewTarget(&url.URL{Scheme: "https", Host: "example.com", Path: "/"})
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: strings.Join(query, "&")}, Header: http.Header{}}
	list := input(t, "("+strings.Join(covered, " ")+");created=1")
	var room httpsig.Room
	if got := testing.AllocsPerRun(10, func() {
		if _, err := room.Base(list, httpsig.Request{Request: r, Target: &target}); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations, where the query is in memory that is used again", got)
	}
	// What an earlier request was asked is not taken for this one's.
	r.URL.RawQuery = "a1=x"
	if base, err := room.Base(list, httpsig.Request{Request: r, Target: &target}); err == nil {
		t.Errorf("a parameter of another query: %s", base)
	}
}
