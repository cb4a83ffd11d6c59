// Package sample finds the sample data that lies beside a development checkout, for tests that replay it.
package sample

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file in ../shared/data, counted from the repository's root. The test is skipped, with
// one line, where there is no such file: a user's checkout has none, and passes without.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	dir, _ := filepath.Abs(".") // a test runs in its package's folder
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Skipf("sample data %s: no repository root above the test", name)
		}
		dir = parent
	}
	path := filepath.Join(dir, "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("sample data %s is not beside this checkout", name)
	}
	return path
}
