package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// schemaVersion is the version of the tables that this code reads and writes.
const schemaVersion = 5

// What inbox_deliveries has had beside id and key since version 1. A version that changes it has its own text.
const deliveryColumns = `
	provider    TEXT    NOT NULL,
	type        TEXT    NOT NULL,
	event_id    TEXT    NOT NULL,
	order_key   TEXT    NOT NULL,
	status      TEXT    NOT NULL,
	attempts    INTEGER NOT NULL DEFAULT 0,
	tries       INTEGER NOT NULL DEFAULT 0,
	duplicates  INTEGER NOT NULL DEFAULT 0,
	accepted_at INTEGER NOT NULL,
	due_at      INTEGER NOT NULL,
	ended_at    INTEGER NOT NULL DEFAULT 0,
	error       TEXT    NOT NULL DEFAULT '',
	meta        BLOB,
	body        BLOB
`

const deliveryIndexes = `
CREATE INDEX inbox_deliveries_due    ON inbox_deliveries (provider, type, due_at, id) WHERE status = 'pending';
CREATE INDEX inbox_deliveries_order  ON inbox_deliveries (order_key, id) WHERE order_key <> '' AND status IN ('pending', 'waiting', 'running');
CREATE INDEX inbox_deliveries_status ON inbox_deliveries (status, id) WHERE status <> 'done';
CREATE INDEX inbox_deliveries_type   ON inbox_deliveries (provider, type, id);
CREATE INDEX inbox_deliveries_event  ON inbox_deliveries (event_id, id) WHERE event_id <> '';
CREATE INDEX inbox_deliveries_bodies ON inbox_deliveries (ended_at) WHERE ended_at > 0 AND meta IS NOT NULL;
CREATE INDEX inbox_deliveries_ended  ON inbox_deliveries (ended_at) WHERE ended_at > 0;
`

// migrations[i] takes the tables from version i to i+1.
//
// Times are milliseconds since 1970. The body stands last, so that reading the columns before it does not touch its pages.
// deliveries.id never falls (AUTOINCREMENT): an id that was purged does not come back as another event. Version 5 has the keys' index apart from the rows,
// which SQLite can only do by another table: see keys.
var migrations = []string{`
CREATE TABLE inbox_deliveries (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	key         BLOB    NOT NULL UNIQUE,
` + deliveryColumns + `);
` + deliveryIndexes + `
CREATE TABLE inbox_attempts (
	delivery_id INTEGER NOT NULL,
	seq         INTEGER NOT NULL,
	number      INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	took        INTEGER NOT NULL,
	result      TEXT    NOT NULL,
	error       TEXT    NOT NULL,
	stack       TEXT    NOT NULL,
	by          TEXT    NOT NULL,
	PRIMARY KEY (delivery_id, seq)
) WITHOUT ROWID;
CREATE TABLE inbox_counters (
	provider TEXT    NOT NULL,
	type     TEXT    NOT NULL,
	status   TEXT    NOT NULL,
	n        INTEGER NOT NULL,
	PRIMARY KEY (provider, type, status)
) WITHOUT ROWID;
CREATE TABLE inbox_paused (
	provider TEXT    NOT NULL,
	type     TEXT    NOT NULL,
	since    INTEGER NOT NULL,
	by       TEXT    NOT NULL,
	why      TEXT    NOT NULL,
	PRIMARY KEY (provider, type)
) WITHOUT ROWID;
`, `
CREATE TABLE inbox_minutes (
	minute     INTEGER PRIMARY KEY, -- since 1970
	accepted   INTEGER NOT NULL,
	duplicates INTEGER NOT NULL,
	done       INTEGER NOT NULL,
	failed     INTEGER NOT NULL,
	dead       INTEGER NOT NULL
);
`, `
CREATE TABLE inbox_slots (
	slot  INTEGER PRIMARY KEY,
	first INTEGER NOT NULL,
	last  INTEGER NOT NULL
);
INSERT INTO inbox_slots SELECT accepted_at / 600000, min(id), max(id) FROM inbox_deliveries GROUP BY 1;
`, `
CREATE TABLE inbox_clock (seen INTEGER NOT NULL);
INSERT INTO inbox_clock SELECT coalesce(max(slot), 0) * 600000 FROM inbox_slots;
`, `
CREATE TABLE inbox_keys (
	key BLOB    PRIMARY KEY,
	id  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE inbox_keyed (id INTEGER NOT NULL);
INSERT INTO inbox_keys SELECT key, id FROM inbox_deliveries ORDER BY key;
INSERT INTO inbox_keyed SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'inbox_deliveries';
CREATE TABLE inbox_unkeyed (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	key         BLOB    NOT NULL,
` + deliveryColumns + `);
INSERT INTO inbox_unkeyed SELECT * FROM inbox_deliveries;
DROP TABLE inbox_deliveries;
DELETE FROM sqlite_sequence WHERE name = 'inbox_unkeyed';
INSERT INTO sqlite_sequence SELECT 'inbox_unkeyed', id FROM inbox_keyed WHERE id > 0;
ALTER TABLE inbox_unkeyed RENAME TO inbox_deliveries;
` + deliveryIndexes}

// migrate brings the tables to schemaVersion, in one transaction, and refuses a ledger that newer code has written.
func migrate(ctx context.Context, conn *sql.Conn) (err error) {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil { // another process may be doing the same
		return fmt.Errorf("sqlite inbox: migrate: %w", err)
	}
	defer func() {
		if err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // the first error is what matters
			err = fmt.Errorf("sqlite inbox: migrate: %w", err)
		}
	}()
	if _, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS inbox_schema (version INTEGER NOT NULL)"); err != nil {
		return err
	}
	version := 0
	err = conn.QueryRowContext(ctx, "SELECT version FROM inbox_schema").Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = conn.ExecContext(ctx, "INSERT INTO inbox_schema (version) VALUES (0)")
	}
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("the ledger has version %d, and this code knows %d: it was written by a newer one", version, schemaVersion)
	}
	for ; version < schemaVersion; version++ {
		if _, err := conn.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("to version %d: %w", version+1, err)
		}
	}
	if _, err := conn.ExecContext(ctx, "UPDATE inbox_schema SET version = ?", schemaVersion); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}
