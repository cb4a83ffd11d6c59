package drivertest_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testdisk"
	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// disk mounts a file system, and returns what makes it read only, or writable again. The system refuses the first while a file on it is open for writing.
func disk(t *testing.T) (dir string, remount func(readOnly bool)) {
	t.Helper()
	dir = testdisk.Small(t, "32m")
	return dir, func(readOnly bool) {
		t.Helper()
		flags := uintptr(syscall.MS_REMOUNT)
		if readOnly {
			flags |= syscall.MS_RDONLY
		}
		testwait.Until(t, "the disk can be mounted anew", func() bool { return syscall.Mount("tmpfs", dir, "tmpfs", flags, "") == nil })
	}
}

// A disk that becomes read only has events refused, so that they come again. When it is writable, they are stored, once, by the same process.
func TestADiskThatIsReadOnly(t *testing.T) {
	for driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			dir, remount := disk(t)
			c := &chosen{}
			l := faultyAt(t, driver, filepath.Join(dir, "x.db"), c.next)
			l.db.SetMaxIdleConns(-1) // so that no file stays open
			l.faulty.SetMaxIdleConns(-1)
			box := l.Open(t, inbox.Config{Logger: slog.New(slog.DiscardHandler)})
			defer func() {
				if err := box.Close(); err != nil {
					t.Error(err)
				}
			}()
			p := inboxtest.NewProvider(t, box)
			p.SendUntil(t, "before", 1)
			c.fail(1, "") // which has the writer's connection given up
			if p.Send(t, "first", 1) {
				t.Error("an event is stored that could not be")
			}
			remount(true)
			l.faulty.SetMaxIdleConns(2) // those that are opened now are read only, and stay open
			for range 3 {
				if p.Send(t, "first", 1) || p.Send(t, "second", 1) {
					t.Error("an event is stored on a disk that is read only")
				}
			}
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "third")); !errors.Is(err, webhook.ErrUnavailable) {
				t.Errorf("Accept: %v", err)
			}
			if err := box.Health(t.Context()); !errors.Is(err, webhook.ErrUnavailable) {
				t.Errorf("Health: %v", err)
			}
			remount(false)
			for _, id := range []string{"first", "second", "before"} {
				p.SendUntil(t, id, 1)
			}
			if err := box.Health(t.Context()); err != nil {
				t.Errorf("Health: %v", err)
			}
			if err := box.Handle("", "*", func(ctx context.Context, tx *sql.Tx, d *inbox.Delivery) error {
				return l.Credit(ctx, tx, d.IdempotencyKey())
			}); err != nil {
				t.Fatal(err)
			}
			stop, ended := run(t, box)
			testwait.Until(t, "three are done", func() bool {
				stats, err := box.Stats(t.Context())
				return err == nil && stats.Total(inbox.Done) == 3
			})
			stop()
			if err := testwait.For(t, "the end of Run", ended); err != nil {
				t.Errorf("Run: %v", err)
			}
			if got := l.Credits(t); len(got) != 3 {
				t.Errorf("effects: %v", got)
			}
			inboxtest.Honest(t, box)
		})
	}
}

// A ledger on a disk that is read only is not opened, and opens when the disk is writable.
func TestOpenOnADiskThatIsReadOnly(t *testing.T) {
	for driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			dir, remount := disk(t)
			l := newLedger(t, driver, drivers[driver](filepath.Join(dir, "x.db")))
			l.db.SetMaxIdleConns(-1)
			box := l.Open(t, inbox.Config{})
			if _, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil {
				t.Fatal(err)
			}
			if err := box.Close(); err != nil {
				t.Fatal(err)
			}
			remount(true)
			if _, err := sqlite.Open(l.db, inbox.Config{}); err == nil || !strings.Contains(err.Error(), "sqlite inbox") {
				t.Errorf("Open: %v", err)
			}
			remount(false)
			box = l.Open(t, inbox.Config{})
			defer box.Close()
			if fresh, err := box.Accept(t.Context(), inboxtest.Event("p", "t", "1")); err != nil || fresh {
				t.Errorf("a repeat: fresh %v, %v", fresh, err)
			}
		})
	}
}
