package security

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// refuser gives one middleware's refusals to the log and to the client: the cause to the first, its status to the second.
type refuser struct {
	stage   string // the middleware, as the log names it
	onError func(http.ResponseWriter, *http.Request, error)
	logger  *slog.Logger
	clients *logSample // of refusals that are the client's doing
	faults  *logSample // of those that are the server's, which a flood of the former must not hide
}

// logSample lets a hundred lines at once into the log and ten a second, so that a flood of refusals does not become one of lines.
type logSample struct {
	limit *rate.Limiter
	left  atomic.Int64 // how many were left out since the last that was let in
}

func newLogSample() *logSample { return &logSample{limit: rate.NewLimiter(10, 100)} }

// take reports whether a line is let in, and how many were left out before it.
func (s *logSample) take() (left int64, ok bool) {
	if !s.limit.Allow() {
		s.left.Add(1)
		return 0, false
	}
	return s.left.Swap(0), true
}

// newRefuser fills in what a Config left nil.
func newRefuser(stage string, onError func(http.ResponseWriter, *http.Request, error), logger *slog.Logger) refuser {
	if onError == nil {
		onError = problem.Error
	}
	if logger == nil {
		logger = slog.Default()
	}
	return refuser{stage: stage, onError: onError, logger: logger, clients: newLogSample(), faults: newLogSample()}
}

// refuse logs err and answers. A refusal that is the client's doing is Info, a fault of the server an Error.
func (f *refuser) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f.log(r.Context(), err)
	f.onError(w, r, err)
}

func (f *refuser) log(ctx context.Context, err error) {
	level, sample := slog.LevelInfo, f.clients
	if refusal.Status(err) >= http.StatusInternalServerError {
		level, sample = slog.LevelError, f.faults
	}
	if !f.logger.Enabled(ctx, level) {
		return
	}
	left, ok := sample.take()
	if !ok {
		return
	}
	var space [4]slog.Attr
	attrs := append(space[:0], slog.String("stage", f.stage), slog.Any("cause", err))
	if id := requestid.From(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if left > 0 {
		attrs = append(attrs, slog.Int64("unlogged", left))
	}
	f.logger.LogAttrs(ctx, level, "request refused", attrs...)
}
