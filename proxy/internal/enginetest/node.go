// Package enginetest asks the JavaScript engine whose behaviour the pattern language follows, for tests that compare the two.
package enginetest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Node runs a script with Node.js, the lines in on its standard input, and returns the lines that it prints, one for each.
// The packages ("path-to-regexp@6.3.0") are installed for it from the npm registry. Where there is no Node.js, or the
// packages cannot be had, the test is skipped; with GATEHOUSE_REQUIRE_ENGINES=1 it fails instead.
func Node(t *testing.T, script string, packages []string, in [][]byte) [][]byte {
	t.Helper()
	if testing.Short() {
		t.Skip("no JavaScript engine in short mode")
	}
	missing := t.Skipf
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
		missing = t.Fatalf
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("no Node.js: %v", err)
	}
	dir := t.TempDir()
	if len(packages) > 0 {
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o600); err != nil {
			t.Fatal(err)
		}
		npm := exec.CommandContext(t.Context(), "npm", append([]string{"install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0", "--fetch-timeout=20000"}, packages...)...) //nolint:gosec // a test says which packages
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			missing("npm has no %v: %v: %.200s", packages, err, out)
		}
	}
	file := filepath.Join(dir, "script.js")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, file) //nolint:gosec // a file of the test's own
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(bytes.Join(in, []byte("\n"))), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	lines := bytes.Split(bytes.TrimSuffix(out, []byte("\n")), []byte("\n"))
	if len(lines) != len(in) {
		t.Fatalf("node answered %d of %d lines", len(lines), len(in))
	}
	return lines
}
