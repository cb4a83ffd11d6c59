package security_test

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/security"
)

// The key is shown to its owner once; the server keeps what it returns beside it, which opens nothing.
func ExampleNewAPIKey() {
	key, stored, err := security.NewAPIKey("acme", "ann", "items:read")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(key, "acme_"+stored.ID+"_"), stored.Principal, stored.Scopes)
	// Output: true ann [items:read]
}
