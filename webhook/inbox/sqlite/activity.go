package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Activity implements [inbox.Browser].
func (b *Inbox) Activity(ctx context.Context, from time.Time) ([]inbox.Minute, error) {
	rows, err := b.db.QueryContext(ctx, "SELECT minute, accepted, duplicates, done, failed, dead FROM inbox_minutes WHERE minute >= ? ORDER BY minute", minuteOf(from))
	if err != nil {
		return nil, err
	}
	return scanAll(rows, func(rows *sql.Rows) (m inbox.Minute, err error) {
		var minute int64
		err = rows.Scan(&minute, &m.Accepted, &m.Duplicates, &m.Done, &m.Failed, &m.Dead)
		m.Start = time.Unix(minute*60, 0)
		return m, err
	})
}

// minuteOf is how minutes are stored.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// writeMinute adds m to what the minute of now counts.
func writeMinute(ctx context.Context, s *session, now time.Time, m inbox.Minute) error {
	if m == (inbox.Minute{}) {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO inbox_minutes (minute, accepted, duplicates, done, failed, dead) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (minute) DO UPDATE SET accepted = accepted + excluded.accepted, duplicates = duplicates + excluded.duplicates,
		done = done + excluded.done, failed = failed + excluded.failed, dead = dead + excluded.dead`,
		minuteOf(now), m.Accepted, m.Duplicates, m.Done, m.Failed, m.Dead)
	return err
}

// purgeMinutes forgets what happened longer ago than an engine must know.
func purgeMinutes(ctx context.Context, s *session, now time.Time) error {
	_, err := s.exec(ctx, "DELETE FROM inbox_minutes WHERE minute < ?", minuteOf(now.Add(-inbox.ActivityKept)))
	return err
}
