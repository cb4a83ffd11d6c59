package postgres

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
	"github.com/jackc/pgx/v5"
)

// where is conditions that all must hold, with what they are bound to.
type where struct {
	conditions []string
	args       []any
}

// and returns w with one more condition, in which each $ stands for the next argument.
func (w where) and(condition string, args ...any) where {
	w.args = append(slices.Clone(w.args), args...)
	for i := range args {
		condition = strings.Replace(condition, "$", "#"+strconv.Itoa(len(w.args)-len(args)+i+1), 1)
	}
	w.conditions = append(slices.Clone(w.conditions), strings.ReplaceAll(condition, "#", "$"))
	return w
}

// String returns the conditions as SQL.
func (w where) String() string {
	if len(w.conditions) == 0 {
		return "true"
	}
	return strings.Join(w.conditions, " AND ")
}

// A look is a way to read deliveries that a filter selects, in one direction, up to f.Limit.
type look struct {
	filter  inbox.Filter
	after   int64 // deliveries with a larger id
	oldest  bool  // first
	columns string
	scan    scanner
}

// find reads what l asks for, along the index that leads to it: of the event's id where not many have it, else of each type and status that the
// filter selects and the counters know, else of the ids. Which one is not left to the planner, whose statistics are those of yesterday.
func (b *Inbox) find(ctx context.Context, l look) ([]engine.Row, error) {
	f := l.filter
	if err := engine.CheckStatus(f); err != nil {
		return nil, err
	}
	byEvent, err := b.few(ctx, f.EventID)
	if err != nil {
		return nil, err
	}
	direction := " DESC"
	if l.oldest {
		direction = ""
	}
	tail := " LIMIT " + strconv.Itoa(f.Limit)
	w := eventConditions(timeConditions(f), f.EventID)
	var query string
	switch {
	case byEvent:
		w = laneConditions(l.bounds(w, "d.id", false), f, "d.")
		query = "SELECT " + l.columns + " FROM inbox_deliveries d WHERE " + w.String() + " ORDER BY d.id + 0" + direction + tail
	case f.Provider != "" || f.Type != "" || f.Status != "":
		w = l.bounds(w, "(-d.id)", true)
		inner := "d.provider = c.provider AND d.type = c.type AND d.status = c.status AND " + w.String()
		lanes := laneConditions(where{args: w.args}.and("c.n > 0"), f, "c.")
		opposite := ""
		if l.oldest {
			opposite = " DESC"
		}
		query = "SELECT " + l.columns + " FROM " + counters + ", LATERAL (SELECT * FROM inbox_deliveries d WHERE " + inner + " ORDER BY (-d.id)" + opposite + tail +
			") AS d WHERE " + lanes.String() + " ORDER BY d.id + 0" + direction + tail
		w = lanes
	default:
		w = l.bounds(w, "d.id", false)
		query = "SELECT " + l.columns + " FROM inbox_deliveries d WHERE " + w.String() + " ORDER BY d.id" + direction + tail
	}
	if !f.From.IsZero() || !f.To.IsZero() {
		query = "WITH " + near + " " + query
	}
	return alongIndex(ctx, b, query, w.args, l.scan)
}

// alongIndex asks one query of which the planner may not sort what an index has in order, in one trip to the server.
func alongIndex[T any](ctx context.Context, b *Inbox, query string, args []any, scan func(pgx.CollectableRow) (T, error)) (found []T, err error) {
	var batch pgx.Batch // which is one transaction
	batch.Queue(byIndex)
	batch.Queue(query, args...).Query(func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, scan)
		return err
	})
	err = b.pool.SendBatch(ctx, &batch).Close() // which sets found
	return found, err
}

// bounds adds the conditions about ids, of a column that is the id, or its negative.
func (l look) bounds(w where, column string, negative bool) where {
	less, more, sign := " < $::bigint", " > $::bigint", int64(1)
	if negative {
		less, more, sign = more, less, -1
	}
	if l.filter.Before > 0 {
		w = w.and(column+less, sign*l.filter.Before)
	}
	if l.after > 0 {
		w = w.and(column+more, sign*l.after)
	}
	if !l.filter.From.IsZero() || !l.filter.To.IsZero() {
		if negative {
			w = w.and(column + " BETWEEN (SELECT -last FROM near) AND (SELECT -first FROM near)")
		} else {
			w = w.and(column + " BETWEEN (SELECT first FROM near) AND (SELECT last FROM near)")
		}
	}
	return w
}

// timeConditions returns the conditions about the time, with the slots as the first two arguments where there is one.
func timeConditions(f inbox.Filter) (w where) {
	if f.From.IsZero() && f.To.IsZero() {
		return w
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.From.IsZero() {
		from = slotOf(f.From)
	}
	if !f.To.IsZero() {
		to = slotOf(f.To)
	}
	w.args = []any{from, to}
	if !f.From.IsZero() {
		w = w.and("d.accepted_at >= $", f.From)
	}
	if !f.To.IsZero() {
		w = w.and("d.accepted_at < $", f.To)
	}
	return w
}

// laneConditions adds the conditions about provider, type and status, of columns with a prefix.
func laneConditions(w where, f inbox.Filter, prefix string) where {
	for _, c := range []struct{ column, value string }{{"provider", f.Provider}, {"type", f.Type}, {"status", string(f.Status)}} {
		if c.value != "" {
			w = w.and(prefix+c.column+" = $", stored(c.value))
		}
	}
	return w
}

// indexed is how many characters of an event's id are in the index.
const indexed = 256

// eventConditions adds the conditions about the provider's id of an event.
func eventConditions(w where, id string) where {
	if id == "" {
		return w
	}
	w = w.and("d.event_id <> ''")
	if prefix, open := strings.CutSuffix(id, "*"); open {
		prefix = stored(prefix)
		short := string([]rune(prefix)[:min(indexed, len([]rune(prefix)))])
		return w.and("left(d.event_id, 256) >= $ COLLATE \"C\" AND left(d.event_id, 256) <= $ COLLATE \"C\"", short, short+"\U0010FFFF").
			and("starts_with(d.event_id, $)", prefix)
	}
	return w.and("left(d.event_id, 256) = left($, 256) AND d.event_id = $", stored(id), stored(id))
}

// fewEvents is how many deliveries are sorted rather than looked for among all.
const fewEvents = 20000

// few reports whether not many deliveries have an id that begins as asked.
func (b *Inbox) few(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	w := eventConditions(where{}, id)
	counted, err := alongIndex(ctx, b, "SELECT count(*) FROM (SELECT FROM inbox_deliveries d WHERE "+w.String()+" LIMIT "+strconv.Itoa(fewEvents)+") AS found", w.args,
		pgx.RowTo[int])
	return err == nil && counted[0] < fewEvents, err
}

// ascend calls each with what f selects, in steps, oldest first. Before and Limit do not count.
func (b *Inbox) ascend(ctx context.Context, f inbox.Filter, columns string, scan scanner, each func([]engine.Row) error) error {
	f.Before, f.Limit = 0, engine.Step
	for l := (look{filter: f, oldest: true, columns: columns, scan: scan}); ; {
		found, err := b.find(ctx, l)
		if err != nil || len(found) == 0 {
			return err
		}
		if err := each(found); err != nil {
			return err
		}
		l.after = found[len(found)-1].ID
	}
}
