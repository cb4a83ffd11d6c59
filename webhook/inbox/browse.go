package inbox

import (
	"context"
	"io"
	"time"
)

// Browser looks into the ledger.
type Browser interface {
	// List returns a page of deliveries without body and header, newest first.
	List(ctx context.Context, f Filter) (Page, error)

	// Get returns one delivery whole, with its attempts and the decisions about it, oldest first; [ErrNotFound] where there is none.
	Get(ctx context.Context, id int64) (Delivery, []Attempt, error)

	// Stats returns what the ledger counts. It is quick at any size.
	Stats(ctx context.Context) (Stats, error)

	// Activity returns what happened from the given time until now, minute by minute, oldest first. Minutes in which nothing happened are
	// left out. Engines remember at least [ActivityKept]; the newest minutes may lag behind by a few seconds.
	Activity(ctx context.Context, from time.Time) ([]Minute, error)

	// Export writes the deliveries that f selects to w as JSON Lines, oldest first, with header and body (in base64). f.Limit does not count.
	Export(ctx context.Context, w io.Writer, f Filter) error

	// Health returns nil when events can be stored now.
	Health(ctx context.Context) error
}

// Filter selects deliveries. Fields that are zero select everything.
type Filter struct {
	Provider string
	Type     string // exactly
	Status   Status
	EventID  string    // the provider's id of the event; a trailing * selects by its beginning
	From, To time.Time // of acceptance, From included, To not

	Before int64 // deliveries with a smaller ID: the cursor of the page before
	Limit  int   // most rows of a page, 1 to 500; zero means 50
}

// Page is one page of a list.
type Page struct {
	Deliveries []Delivery
	Next       int64 // Before of the next page; zero where this is the last
}

// Stats is what a ledger counts.
type Stats struct {
	Types         []TypeStats   // by provider and type, sorted
	OldestPending time.Duration // age of the oldest delivery that is due and not done; zero where there is none
	Queued        int           // events that wait to be stored
	Paused        []PausedType  // sorted
}

// TypeStats counts the deliveries of one type.
type TypeStats struct {
	Provider   string
	Type       string
	ByStatus   map[Status]int64
	Duplicates int64 // deliveries that were sent again

	// OldestPending is the age of the oldest delivery that is due and not done; zero where there is none.
	OldestPending time.Duration
}

// Total returns how many deliveries have a status.
func (s Stats) Total(status Status) int64 {
	var n int64
	for _, t := range s.Types {
		n += t.ByStatus[status]
	}
	return n
}

// ActivityKept is how far back [Browser.Activity] can look.
const ActivityKept = 8 * 24 * time.Hour

// A Minute counts what happened in one minute.
type Minute struct {
	Start      time.Time
	Accepted   int64 // events that were stored
	Duplicates int64 // events that were there already
	Done       int64 // attempts that ended well
	Failed     int64 // attempts that did not, dead letters among them
	Dead       int64 // deliveries that became dead letters
}

// PausedType is a type whose deliveries are stored and not handled.
type PausedType struct {
	Provider string
	Type     string
	Since    time.Time
	Reason   Reason
}

// Operator changes what happens to deliveries. Every decision is recorded with the delivery, or the pause, that it is about.
type Operator interface {
	// Replay makes the selected deliveries pending again, due now, with their identity and a fresh count of attempts. Those that are pending, waiting or
	// running already, or whose body is gone, are passed over; where s names IDs, they are an error. It returns how many it changed.
	Replay(ctx context.Context, s Selection, why Reason) (int64, error)

	// Discard gives the selected deliveries up, unless they are running or have ended well.
	Discard(ctx context.Context, s Selection, why Reason) (int64, error)

	// Pause keeps deliveries of exactly this type from being handled until Resume, also after a restart. They are accepted all the same.
	Pause(ctx context.Context, provider, typ string, why Reason) error

	// Resume ends a Pause.
	Resume(ctx context.Context, provider, typ string) error
}

// Selection names deliveries: by their IDs, or by a Filter, of which Before and Limit do not count. An empty selection is an error, not everything.
type Selection struct {
	IDs    []int64
	Filter Filter
}

// Reason says who decides and why. Both are required, and kept in the ledger.
type Reason struct {
	By  string
	Why string
}

// Check returns [ErrSelection] unless r is complete.
func (r Reason) Check() error {
	if r.By == "" || r.Why == "" {
		return ErrSelection
	}
	return nil
}

// Check returns [ErrSelection] for a selection that names nothing, or both ways at once.
func (s Selection) Check() error {
	f := s.Filter
	f.Before, f.Limit = 0, 0
	if byFilter := f != (Filter{}); byFilter == (len(s.IDs) > 0) {
		return ErrSelection
	}
	return nil
}
