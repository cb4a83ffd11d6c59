//go:build !linux

package inboxtest

import "testing"

func fullDisk[T any](t *testing.T, _ Engine[T]) {
	t.Helper()
	t.Skip("a small disk is mounted on Linux only")
}
