package archtest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse/internal/archtest"
)

func TestRepositoryKeepsItsRules(t *testing.T) {
	broken, err := archtest.Check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range broken {
		t.Error(line)
	}
}

// The tree below testdata/violations breaks each rule once: a rule that matches nothing would be missed here.
func TestCheckFindsEachViolation(t *testing.T) {
	broken, err := archtest.Check("testdata/violations")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"callback/oidc/oidc.go imports github.com/redis/rueidis: not among the dependencies of this room",
		"examples/hello/main.go imports github.com/gatehouse-go/gatehouse/internal/problem: an example shows what a user can write",
		"internal/leaf/leaf.go imports github.com/gatehouse-go/gatehouse/security: internal leaves import no other room",
		"revalidate/revalidate.go imports github.com/gatehouse-go/gatehouse/engines/redis: engines are imported by applications only",
		"root.go imports github.com/gatehouse-go/gatehouse/proxy: the root imports no feature package",
		"security/security.go imports github.com/gatehouse-go/gatehouse/examples: nothing imports examples or benchmarks",
		"security/security.go imports github.com/maypok86/otter/v2: not among the dependencies of this room",
		"webhook/webhook.go imports github.com/gatehouse-go/gatehouse/proxy: feature packages do not import one another",
		"webhook/webhook.go imports github.com/gatehouse-go/gatehouse/webhook/provider: a package does not import what is built on it",
		"webhook/webhook.go imports github.com/gatehouse-go/gatehouse: a feature package does not import the root",
	}
	if diff := cmp.Diff(want, broken); diff != "" {
		t.Error(diff)
	}
}

func TestCheckReportsWhatItCannotRead(t *testing.T) {
	if _, err := archtest.Check("testdata/unparsable"); err == nil || !strings.Contains(err.Error(), "unparsable.go") {
		t.Errorf("a file that does not parse: %v", err)
	}
	if _, err := archtest.Check("testdata/absent"); err == nil {
		t.Error("a folder that is not there: no error")
	}
}
