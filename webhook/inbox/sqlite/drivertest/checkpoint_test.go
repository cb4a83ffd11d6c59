package drivertest_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// fill stores four MiB of events.
func fill(t *testing.T, box inboxtest.Inbox[*sql.Tx], of string) {
	t.Helper()
	for i := range 16 {
		e := inboxtest.Event("p", "t", of+strconv.Itoa(i))
		e.Body = make([]byte, 256<<10)
		if fresh, err := box.Accept(t.Context(), e); err != nil || !fresh {
			t.Fatalf("event %d: fresh %v, %v", i, fresh, err)
		}
	}
}

// The log is written back beside the commits, and a failure to do so is made good by the next.
func TestTheLogIsWrittenBackBesideCommits(t *testing.T) {
	for driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			c := &chosen{}
			path := filepath.Join(t.TempDir(), "x.db")
			l := faultyAt(t, driver, path, c.next)
			box := l.Open(t, inbox.Config{})
			hit := c.fail(0, "PRAGMA wal_checkpoint")
			fill(t, box, "first")
			testwait.For(t, "a checkpoint, which fails", hit)
			fill(t, box, "second")
			testwait.Until(t, "a checkpoint that writes the log back", func() bool {
				file, err := os.Stat(path)
				return err == nil && file.Size() > 2<<20
			})
			inboxtest.Honest(t, box)
			if err := box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A caller who has said when the log is written back is obeyed.
func TestACallerWhoWritesTheLogBack(t *testing.T) {
	for driver, dsn := range map[string]string{"sqlite": "&_pragma=wal_autocheckpoint(0)", "sqlite3": ""} {
		var checkpoints, set atomic.Int64
		path := filepath.Join(t.TempDir(), "x.db")
		plain := at(t, driver, path)
		db := sql.OpenDB(connector{plain.db.Driver(), func(step string) bool {
			if strings.HasPrefix(step, "PRAGMA wal_checkpoint") {
				checkpoints.Add(1)
			}
			if strings.HasPrefix(step, "PRAGMA wal_autocheckpoint =") {
				set.Add(1)
			}
			return false
		}, drivers[driver](path) + dsn})
		box, err := sqlite.Open(db, inbox.Config{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, box, "")
		if err := box.Close(); err != nil {
			t.Error(err)
		}
		if obeyed := checkpoints.Load() == 0 && set.Load() == 0; dsn != "" && !obeyed || dsn == "" && set.Load() == 0 {
			t.Errorf("%s with %q: %d checkpoints, set %d times", driver, dsn, checkpoints.Load(), set.Load())
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
