package sqlite

import (
	"context"
	"database/sql"
)

// path returns the file of the database, or "" for one in memory. db is a [*sql.DB] or a [*sql.Conn].
func path(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (file string, err error) {
	err = db.QueryRowContext(ctx, "SELECT coalesce(file, '') FROM pragma_database_list WHERE name = 'main'").Scan(&file)
	return file, err
}
