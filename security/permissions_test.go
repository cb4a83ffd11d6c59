package security_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-go/gatehouse/security"
)

// A page with a map asks where the reader is; every other feature stays off.
func ExampleDefaultPermissions() {
	permissions := security.DefaultPermissions()
	permissions["geolocation"] = []string{"self", "https://maps.example.com"}
	config := security.HTMLHeaders()
	config.Permissions = permissions
	headers, err := security.NewHeaders(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	headers.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for feature := range strings.SplitSeq(w.Header().Get("Permissions-Policy"), ", ") {
		if strings.HasPrefix(feature, "geolocation=") || strings.HasPrefix(feature, "camera=") {
			fmt.Println(feature)
		}
	}
	// Output:
	// camera=()
	// geolocation=(self "https://maps.example.com")
}
