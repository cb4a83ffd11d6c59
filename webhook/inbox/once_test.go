package inbox_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

var (
	errAway   = errors.New("database is away")
	errEffect = errors.New("effect failed")
)

// failing is a transaction on which statements that begin so fail. It keeps nothing: what Once does to a database is tested where one is.
type failing struct {
	begin string
	ran   []string
}

func (f *failing) ExecContext(_ context.Context, query string, _ ...any) (sql.Result, error) {
	f.ran = append(f.ran, query)
	if f.begin != "" && strings.HasPrefix(query, f.begin) {
		return nil, errAway
	}
	return oneRow{}, nil
}

type oneRow struct{ sql.Result }

func (oneRow) RowsAffected() (int64, error) { return 1, nil }

// tag and pgxTx are the same with the methods of pgx.
type tag struct{}

func (tag) RowsAffected() int64 { return 1 }

type pgxTx struct{ *failing }

func (p pgxTx) Exec(ctx context.Context, query string, args ...any) (tag, error) {
	_, err := p.ExecContext(ctx, query, args...)
	return tag{}, err
}

// Whichever statement fails, the caller learns it, what the effect wrote is taken back first, and an effect that failed is not said to have run.
func TestOnceOnATransactionThatFails(t *testing.T) {
	d := &inbox.Delivery{Event: webhook.Event{Key: webhook.Key{1}}}
	for _, row := range []struct {
		name, fails string
		effect      error
		wants       []error
		last        string // statement
		ran         bool
	}{
		{"nothing fails", "", nil, nil, "RELEASE", true},
		{"the savepoint", "SAVEPOINT", nil, []error{errAway}, "SAVEPOINT", false},
		{"the mark", "INSERT", nil, []error{errAway}, "RELEASE", false},
		{"the effect", "", errEffect, []error{errEffect}, "RELEASE", false},
		{"the effect, and taking it back", "ROLLBACK", errEffect, []error{errEffect, errAway}, "ROLLBACK", false},
		{"the end", "RELEASE", nil, []error{errAway}, "RELEASE", false},
	} {
		for name, once := range map[string]func(*failing) (bool, error){
			"Once": func(tx *failing) (bool, error) {
				return inbox.Once(t.Context(), tx, d, "mail", func(context.Context) error { return row.effect })
			},
			"OncePgx": func(tx *failing) (bool, error) {
				return inbox.OncePgx(t.Context(), pgxTx{tx}, d, "mail", func(context.Context) error { return row.effect })
			},
		} {
			tx := &failing{begin: row.fails}
			ran, err := once(tx)
			if ran != row.ran || (err == nil) != (row.wants == nil) {
				t.Errorf("%s, %s: ran %v, %v", name, row.name, ran, err)
			}
			for _, want := range row.wants {
				if !errors.Is(err, want) {
					t.Errorf("%s, %s: %v does not wrap %v", name, row.name, err, want)
				}
			}
			if last := tx.ran[len(tx.ran)-1]; !strings.HasPrefix(last, row.last) {
				t.Errorf("%s, %s: the last statement is %q", name, row.name, last)
			}
		}
	}
}

func TestOnceRefusesWhatNamesNothing(t *testing.T) {
	effect := func(context.Context) error { return nil }
	d := &inbox.Delivery{Event: webhook.Event{Key: webhook.Key{1}}}
	for name, once := range map[string]func() (bool, error){
		"no delivery": func() (bool, error) { return inbox.Once(t.Context(), &failing{}, nil, "mail", effect) },
		"no key":      func() (bool, error) { return inbox.Once(t.Context(), &failing{}, &inbox.Delivery{}, "mail", effect) },
		"no name":     func() (bool, error) { return inbox.Once(t.Context(), &failing{}, d, "", effect) },
		"no effect":   func() (bool, error) { return inbox.Once(t.Context(), &failing{}, d, "mail", nil) },
	} {
		if ran, err := once(); ran || err == nil {
			t.Errorf("%s: ran %v, %v", name, ran, err)
		}
	}
}
