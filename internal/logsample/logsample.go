// Package logsample keeps a flood of refused requests from becoming a flood of log lines.
package logsample

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// Sample lets a thousand lines at once into a log and ten a second, and counts the rest. It is safe for concurrent use.
type Sample struct {
	limit *rate.Limiter
	left  atomic.Int64 // how many were left out since the last that was let in
}

// New returns a Sample that has let nothing in yet.
func New() *Sample { return &Sample{limit: rate.NewLimiter(10, 1000)} }

// Take reports whether a line is let in, and how many were left out before it.
func (s *Sample) Take() (left int64, ok bool) {
	if !s.limit.Allow() {
		s.left.Add(1)
		return 0, false
	}
	return s.left.Swap(0), true
}

// Leave counts a line that the caller itself leaves out.
func (s *Sample) Leave() { s.left.Add(1) }

// Refusals samples the lines about refused requests: those that are the client's doing, and by themselves those that are the server's, which
// a flood of the former must not hide.
type Refusals struct{ clients, faults *Sample }

// NewRefusals returns Refusals that have let nothing in yet.
func NewRefusals() *Refusals { return &Refusals{clients: New(), faults: New()} }

// Take reports whether a line about a request that is answered with status is let in, and how many of its kind were left out before it.
func (r *Refusals) Take(status int) (left int64, ok bool) {
	if status >= http.StatusInternalServerError {
		return r.faults.Take()
	}
	return r.clients.Take()
}

// Log writes the cause for which a request is answered with status, and the request's id, into logger, if the line is let in: at level Error where it is the
// server's doing, else at Warn.
func (r *Refusals) Log(ctx context.Context, logger *slog.Logger, message string, status int, cause string) {
	left, ok := r.Take(status)
	if !ok {
		return
	}
	level := slog.LevelWarn
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("cause", cause)}
	if id := requestid.From(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if left > 0 {
		attrs = append(attrs, slog.Int64("unlogged", left))
	}
	logger.LogAttrs(ctx, level, message, attrs...)
}
