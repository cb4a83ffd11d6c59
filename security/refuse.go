package security

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// refuser gives one middleware's refusals to the log and to the client: the cause to the first, its status to the second.
type refuser struct {
	stage   string // the middleware, as the log names it
	onError func(http.ResponseWriter, *http.Request, error)
	logger  *slog.Logger
	sample  *rate.Limiter // of refusals that clients cause, so that a flood of them does not become one of log lines
	left    *atomic.Int64 // how many were not logged since the last that was
}

// newRefuser fills in what a Config left nil.
func newRefuser(stage string, onError func(http.ResponseWriter, *http.Request, error), logger *slog.Logger) refuser {
	if onError == nil {
		onError = problem.Error
	}
	if logger == nil {
		logger = slog.Default()
	}
	return refuser{stage: stage, onError: onError, logger: logger, sample: rate.NewLimiter(10, 100), left: new(atomic.Int64)}
}

// refuse logs err and answers. A refusal that is the client's doing is Info, and after 100 at once only ten a second are logged; a fault of the
// server is an Error, and always logged.
func (f *refuser) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f.log(r.Context(), err)
	f.onError(w, r, err)
}

func (f *refuser) log(ctx context.Context, err error) {
	level := slog.LevelError
	if refusal.Status(err) < http.StatusInternalServerError {
		level = slog.LevelInfo
	}
	if !f.logger.Enabled(ctx, level) {
		return
	}
	var unlogged int64
	if level == slog.LevelInfo {
		if !f.sample.Allow() {
			f.left.Add(1)
			return
		}
		unlogged = f.left.Swap(0)
	}
	attrs := [...]slog.Attr{slog.String("stage", f.stage), slog.Any("cause", err), slog.Int64("unlogged", unlogged)}
	n := len(attrs)
	if unlogged == 0 {
		n--
	}
	f.logger.LogAttrs(ctx, level, "request refused", attrs[:n]...)
}
