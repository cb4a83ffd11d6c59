//go:build linux

// Package testdisk makes disks for tests that become full.
package testdisk

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Small mounts a file system in memory until the test ends, and returns its folder, which everybody may go into. size is how much fits in, such as
// "12m". Where nothing can be mounted the test is skipped; where engines are required and root tests, it fails instead.
func Small(tb testing.TB, size string) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // a server of another user goes there
		tb.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "" && os.Getuid() == 0 {
			tb.Fatalf("a small disk cannot be mounted: %v", err)
		}
		tb.Skipf("a small disk cannot be mounted: %v", err)
	}
	tb.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// Ballast writes a file of so many bytes in dir, and returns what removes it.
func Ballast(tb testing.TB, dir string, bytes int) (remove func()) {
	tb.Helper()
	file := filepath.Join(dir, "ballast")
	if err := os.WriteFile(file, make([]byte, bytes), 0o600); err != nil {
		tb.Fatal(err)
	}
	return func() {
		tb.Helper()
		if err := os.Remove(file); err != nil {
			tb.Fatal(err)
		}
	}
}
