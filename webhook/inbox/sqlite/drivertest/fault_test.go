package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"path/filepath"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/inboxtest"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/sqlite"
)

// errInjected is what a statement fails with that was chosen to fail.
var errInjected = errors.New("injected: disk I/O error")

// faults says which steps of a SQLite driver fail: its statements, their preparation, and the rows of their results.
type faults func(step string) bool

// next returns the error that a step fails with. A rollback always succeeds: what it undoes is undone by the end of its connection too.
func (f faults) next(step string) error {
	if step != "ROLLBACK" && f(step) {
		return errInjected
	}
	return nil
}

// faultyLedger opens its inboxes over connections whose statements may fail, and looks at the effects over one whose do not.
type faultyLedger struct {
	*ledger
	faulty *sql.DB
}

func newFaultyLedger(t *testing.T, name string, f *inboxtest.Faults) *faultyLedger {
	t.Helper()
	return faultyAt(t, name, filepath.Join(t.TempDir(), "x.db"), f.Next)
}

// faultyAt is a faultyLedger in a file.
func faultyAt(t *testing.T, name, path string, f faults) *faultyLedger {
	t.Helper()
	plain := at(t, name, path)
	db := sql.OpenDB(connector{plain.db.Driver(), f, drivers[name](path)})
	t.Cleanup(func() { _ = db.Close() })
	return &faultyLedger{plain, db}
}

func (l *faultyLedger) Open(t *testing.T, c inbox.Config) inboxtest.Inbox[*sql.Tx] {
	t.Helper()
	box, err := sqlite.Open(l.faulty, c)
	if errors.Is(err, errInjected) {
		box, err = sqlite.Open(l.faulty, c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// connector opens connections whose statements f counts.
type connector struct {
	driver driver.Driver
	faults faults
	dsn    string
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return faultyConn{conn, c.faults}, nil
}

type faultyConn struct {
	driver.Conn
	faults faults
}

func (c faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.next(query); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.next(query); err != nil {
		return nil, err
	}
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	return faultyRows{rows, query, c.faults}, err
}

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.faults.next("begin"); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return faultyTx{tx, c.faults}, err
}

func (c faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.faults.next("prepare " + query); err != nil {
		return nil, err
	}
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return faultyStmt{s, query, c.faults}, nil
}

type faultyTx struct {
	driver.Tx
	faults faults
}

func (t faultyTx) Commit() error {
	if err := t.faults.next("commit"); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

type faultyStmt struct {
	driver.Stmt
	query  string
	faults faults
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.faults.next(s.query); err != nil {
		return nil, err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	return faultyRows{rows, s.query, s.faults}, err
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.faults.next(s.query); err != nil {
		return nil, err
	}
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return faultyResult{result, s.query, s.faults}, err
}

type faultyResult struct {
	driver.Result
	query  string
	faults faults
}

func (r faultyResult) RowsAffected() (int64, error) {
	if err := r.faults.next("rows affected by " + r.query); err != nil {
		return 0, err
	}
	return r.Result.RowsAffected()
}

type faultyRows struct {
	driver.Rows
	query  string
	faults faults
}

func (r faultyRows) Next(dest []driver.Value) error {
	if err := r.faults.next("row of " + r.query); err != nil {
		return err
	}
	return r.Rows.Next(dest)
}
