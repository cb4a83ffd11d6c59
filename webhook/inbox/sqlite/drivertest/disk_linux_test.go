package drivertest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
)

// smallDisk mounts a file system of a few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "" && os.Getuid() == 0 {
			t.Fatalf("a small disk cannot be mounted: %v", err)
		}
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// What a full disk does not take is answered with 503; when there is room again, the inbox goes on by itself.
func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	dir := smallDisk(t)
	for driver, dsn := range drivers {
		t.Run(driver, func(t *testing.T) {
			l := newLedger(t, driver, dsn(filepath.Join(dir, driver+".db")))
			box := l.Open(t, inbox.Config{})
			defer box.Close()
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			big := func(id string) webhook.Event {
				e := inboxtest.Event("p", "t", id)
				e.Body = make([]byte, 100_000)
				return e
			}
			acknowledged := 0
			var refused error
			for refused == nil && acknowledged < 100 {
				if _, refused = box.Accept(t.Context(), big(strconv.Itoa(acknowledged))); refused == nil {
					acknowledged++
				}
			}
			if !errors.Is(refused, webhook.ErrUnavailable) || acknowledged == 0 {
				t.Fatalf("after %d events: %v", acknowledged, refused)
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				_, err := box.Accept(t.Context(), big("after"))
				if err == nil {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("there is room again: %v", err)
				}
			}
			for i := range acknowledged {
				if fresh, err := box.Accept(t.Context(), big(strconv.Itoa(i))); err != nil || fresh {
					t.Errorf("event %d was acknowledged: fresh %v, %v", i, fresh, err)
				}
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				defer os.Remove(filepath.Join(dir, driver+".db"+suffix))
			}
		})
	}
}
