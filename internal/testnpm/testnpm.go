// Package testnpm installs packages of the npm registry for a test, such as lists of inputs that stay out of this repository.
package testnpm

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Read installs packages, each a name and a version such as "left-pad@1.3.0", into a folder of the test, and decodes into v the JSON that
// script prints: an ES module that may import them. Scripts of the packages do not run. Where node, npm or a package cannot be had, the test
// is skipped, or fails where GATEHOUSE_REQUIRE_ENGINES is 1.
func Read(tb testing.TB, v any, script string, packages ...string) {
	tb.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			absent(tb, tool+" is not installed")
		}
	}
	folder := tb.TempDir()
	run := func(name string, arguments ...string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, name, arguments...) //nolint:gosec // the test says what runs
		command.Dir = folder
		return command.Output()
	}
	if _, err := run("npm", append([]string{"install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"}, packages...)...); err != nil {
		absent(tb, fmt.Sprintf("npm packages %v cannot be had: %v", packages, err))
	}
	out, err := run("node", "--input-type=module", "--eval", script)
	if err != nil {
		tb.Fatalf("node: %v", err)
	}
	if err := json.Unmarshal(out, v); err != nil {
		tb.Fatalf("%v in %.200s", err, out)
	}
}

// absent skips the test, or fails it where engines are required.
func absent(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
		tb.Fatal(why)
	}
	tb.Skip(why)
}
