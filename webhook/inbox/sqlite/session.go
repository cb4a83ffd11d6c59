package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// A session is one connection with the statements that were prepared on it: parsing SQL costs more than most of the statements do.
// It is used by one goroutine at a time. A session on which anything failed is closed, not used again.
type session struct {
	conn   *sql.Conn
	stmts  map[string]*sql.Stmt
	inFile bool // the database outlives the connection

	leavesLog bool // see leaveCheckpoints
}

// newSession takes a connection, makes it wait for other writers, and refuses it when it does not sync its commits.
func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("sqlite inbox: %w", err)
	}
	s := &session{conn: conn, stmts: map[string]*sql.Stmt{}}
	if s.inFile, err = settle(ctx, conn); err == nil {
		s.leavesLog, err = leaveCheckpoints(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// settle reports whether the database is in a file, and not in memory.
func settle(ctx context.Context, conn *sql.Conn) (inFile bool, err error) {
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 5000"); err != nil {
		return false, fmt.Errorf("sqlite inbox: %w", err)
	}
	var mode string
	var synchronous int
	err = errors.Join(
		conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode),
		conn.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous),
	)
	file := ""
	if err == nil && mode == "memory" { // the only mode of a database in memory, and one that a database in a file must not have
		file, err = path(ctx, conn)
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("sqlite inbox: %w", err)
	case mode != "wal" && (mode != "memory" || file != ""):
		return false, fmt.Errorf("sqlite inbox: PRAGMA journal_mode = %s must be wal", mode)
	case synchronous < 2:
		return false, fmt.Errorf("sqlite inbox: PRAGMA synchronous = %d must be FULL (2) or EXTRA (3): an acknowledged event could be lost", synchronous)
	}
	return mode == "wal", nil
}

// close gives the connection back.
func (s *session) close() error {
	return errors.Join(s.forget(), s.conn.Close())
}

// end closes the connection, which is of no use any more. A database in memory would end with it: there it is given back.
func (s *session) end() {
	_ = s.forget() // drivers want no statement to outlive its connection
	if s.inFile {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn }) // which has the pool close it
	}
	_ = s.conn.Close()
}

// forget closes the statements.
func (s *session) forget() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(errs...)
}

// prepared returns the statement of query, which is one of this package's few: the map does not grow with use.
func (s *session) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

func (s *session) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// query returns rows, which the caller closes.
func (s *session) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// queryRow scans the one row of query into dest; [sql.ErrNoRows] where there is none.
func (s *session) queryRow(ctx context.Context, dest []any, query string, args ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(dest...)
}
