package inbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// EffectsTable is the statement that makes the table in which [Once] and [OncePgx] keep what was done, in SQLite (3.24 or newer) and in PostgreSQL. Execute
// it when the program starts, or among the migrations of your own database. It leaves a table that is there alone.
//
// A row is needed for as long as its event may come again, or be replayed: [Config.KeepKeys], and longer for dead letters. Remove older ones by the
// column done_at, which is in UTC.
const EffectsTable = `CREATE TABLE IF NOT EXISTS inbox_effects (
	delivery_key TEXT NOT NULL,
	effect       TEXT NOT NULL,
	done_at      TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
	PRIMARY KEY (delivery_key, effect)
)`

// insertEffect has placeholders that both SQLite and PostgreSQL take.
const insertEffect = "INSERT INTO inbox_effects (delivery_key, effect) VALUES ($1, $2) ON CONFLICT (delivery_key, effect) DO NOTHING"

// Once runs effect unless the effect of that name was committed for d's event before, and reports whether it ran. Handlers of an engine that
// gives no transaction, and may handle a delivery twice, begin one of their own database, and write through Once what must not be written twice:
//
//	tx, err := db.BeginTx(ctx, nil)
//	if err != nil {
//		return err
//	}
//	defer tx.Rollback()
//	if _, err := inbox.Once(ctx, tx, d, "credit", func(ctx context.Context) error {
//		_, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = balance + $1 WHERE id = $2", amount, account)
//		return err
//	}); err != nil {
//		return err
//	}
//	return tx.Commit()
//
// The mark that effect ran is a row of the table that [EffectsTable] makes, written in tx: it is committed with what effect writes
// through tx, or not at all. When two transactions come to the same effect at once, the database has the second wait for the first: PostgreSQL by
// the primary key, SQLite since it has one writer. What the database answers where it does not wait, such as a serialization failure or
// SQLITE_BUSY, is returned, for the next attempt.
//
// An error of effect is returned as it is; the mark and what effect wrote are undone, by a savepoint, so that the rest of tx may still be
// committed. What effect does beside tx is not undone, and may happen again. A name tells effects of one event from each other: it must not be empty
// and not change from version to version of a program. A replay has the same identity, so it does not repeat the effect: give another name to what a
// replay is to do again.
//
// tx is a [*sql.Tx]; a [*sql.Conn] in a transaction will do. Once is for use by one goroutine at a time with the same tx, as tx is.
func Once(ctx context.Context, tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, d *Delivery, name string, effect func(ctx context.Context) error,
) (ran bool, err error) {
	return once(ctx, func(query string, args ...any) (int64, error) {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}, d, name, effect)
}

// OncePgx is [Once] for a transaction of github.com/jackc/pgx, whose pgx.Tx has the method that is asked for here.
func OncePgx[Tag interface{ RowsAffected() int64 }](ctx context.Context, tx interface {
	Exec(ctx context.Context, query string, args ...any) (Tag, error)
}, d *Delivery, name string, effect func(ctx context.Context) error,
) (ran bool, err error) {
	return once(ctx, func(query string, args ...any) (int64, error) {
		tag, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		return tag.RowsAffected(), nil
	}, d, name, effect)
}

// once is Once over whatever executes statements and counts rows.
func once(ctx context.Context, exec func(query string, args ...any) (int64, error), d *Delivery, name string, effect func(ctx context.Context) error) (ran bool, err error) {
	if d == nil || d.Event.Key == (webhook.Key{}) || name == "" || effect == nil {
		return false, Permanent(errors.New("inbox: Once: a delivery with a key, a name and an effect are required"))
	}
	if _, err := exec("SAVEPOINT inbox_once"); err != nil {
		return false, fmt.Errorf("inbox: Once %q: %w", name, err)
	}
	inserted, err := exec(insertEffect, d.IdempotencyKey(), name)
	if err != nil {
		err = fmt.Errorf("inbox: Once %q: %w", name, err)
	} else if inserted > 0 {
		ran = true
		err = effect(ctx)
	}
	if err != nil {
		// Where this fails too, tx cannot be committed either: the database refuses, or the connection is gone.
		_, undoErr := exec("ROLLBACK TO SAVEPOINT inbox_once")
		if undoErr != nil {
			return false, errors.Join(err, fmt.Errorf("inbox: Once %q: undo: %w", name, undoErr))
		}
		_, releaseErr := exec("RELEASE SAVEPOINT inbox_once")
		return false, errors.Join(err, releaseErr)
	}
	if _, err := exec("RELEASE SAVEPOINT inbox_once"); err != nil {
		return false, fmt.Errorf("inbox: Once %q: %w", name, err)
	}
	return ran, nil
}
