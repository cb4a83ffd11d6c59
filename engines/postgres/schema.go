package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the version of the tables that this code reads and writes: as many as there are migrations.
const schemaVersion = 2

// Migrations returns the files that make and update the ledger's tables, for the program's own migration tool: run each once, in the order of
// their names, in a transaction of its own. [Open] runs those that are missing, and needs no right to do so where none is.
func Migrations() fs.FS {
	sub, _ := fs.Sub(migrations, "migrations") // the name is a valid one
	return sub
}

// Numbers of the advisory locks, beside a second number of each.
const (
	lockSchema int32 = 0x67610001 + iota
	lockOwner        // with the owner's number
	lockOrder        // with the hash of an order key
)

// migrate brings the tables to schemaVersion, in one transaction, and refuses a ledger that newer code has written.
func migrate(ctx context.Context, conn *pgx.Conn) error {
	version, err := versionOf(ctx, conn)
	if err != nil || version == schemaVersion {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1, 0)", lockSchema); err != nil { // another process may be doing the same
			return err
		}
		version, err := versionOf(ctx, tx)
		files, readErr := migrations.ReadDir("migrations")
		if err := errors.Join(err, readErr); err != nil {
			return err
		}
		for _, file := range files[version:] {
			text, err := migrations.ReadFile("migrations/" + file.Name())
			if err == nil {
				_, err = tx.Exec(ctx, string(text))
			}
			if err != nil {
				return fmt.Errorf("migration %s: %w", file.Name(), err)
			}
		}
		return nil
	})
}

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

func versionOf(ctx context.Context, db querier) (version int, err error) {
	var there bool
	// Not to_regclass, which does not hear of what another transaction has made while this one waited for an advisory lock.
	const look = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'inbox_schema' AND relkind IN ('r', 'v') AND pg_table_is_visible(oid))"
	if err := db.QueryRow(ctx, look).Scan(&there); err != nil || !there {
		return 0, err
	}
	if err := db.QueryRow(ctx, "SELECT version FROM inbox_schema").Scan(&version); err != nil {
		return 0, err
	}
	if version > schemaVersion {
		return 0, fmt.Errorf("the ledger has version %d, and this code knows %d: it was written by a newer one", version, schemaVersion)
	}
	return version, nil
}

// settings refuses a server on which an acknowledged event could be lost, or not be stored as it is.
func settings(ctx context.Context, conn *pgx.Conn) error {
	var encoding, fsync, synchronous string
	err := conn.QueryRow(ctx, "SELECT current_setting('server_encoding'), current_setting('fsync'), current_setting('synchronous_commit')").
		Scan(&encoding, &fsync, &synchronous)
	if err != nil {
		return err
	}
	var wrong []error
	if encoding != "UTF8" {
		wrong = append(wrong, fmt.Errorf("server_encoding = %s must be UTF8", encoding))
	}
	if fsync == "off" {
		wrong = append(wrong, errors.New("fsync = off: an acknowledged event could be lost"))
	}
	if synchronous == "off" {
		wrong = append(wrong, errors.New("synchronous_commit = off: an acknowledged event could be lost"))
	}
	return errors.Join(wrong...)
}
