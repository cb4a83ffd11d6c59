package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// SQLite writes its log (the WAL) back into the database after a commit that has made it long, and whoever waits for that commit waits for this too. So
// the log is written back beside the commits, about as often. A commit does it only when the log has become much longer all the same: while there is
// always a commit, only then can the log begin anew.
const (
	checkpointAfter = 2 << 20 // bytes of events that are stored between two checkpoints
	defaultLog      = 1000    // pages of the log after which a commit writes it back, where nobody has said otherwise
	longLog         = 4000    // the same for commits of an inbox
)

// leaveCheckpoints has the commits of conn leave the log, and reports whether it is ours to write back: not where the caller has said when that is done,
// as programs must that copy the log.
func leaveCheckpoints(ctx context.Context, conn *sql.Conn) (ours bool, err error) {
	var pages int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_autocheckpoint").Scan(&pages)
	if err != nil || pages != defaultLog && pages != longLog {
		return false, err
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", longLog))
	return true, err
}

// checkpoint writes the log back each time that it is due, until ctx ends. What fails, or is in the way of another, is left to the next.
func (b *Inbox) checkpoint(ctx context.Context, due <-chan struct{}) {
	for {
		select {
		case <-due:
			_, _ = b.db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		case <-ctx.Done():
			return
		}
	}
}
