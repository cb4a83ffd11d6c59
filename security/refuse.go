package security

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// refuser gives one middleware's refusals to the log and to the client: the cause to the first, its status to the second.
type refuser struct {
	stage   string // the middleware, as the log names it
	onError func(http.ResponseWriter, *http.Request, error)
	logger  *slog.Logger
	lines   *logsample.Refusals
}

// newRefuser fills in what a Config left nil.
func newRefuser(stage string, onError func(http.ResponseWriter, *http.Request, error), logger *slog.Logger) refuser {
	if onError == nil {
		onError = problem.Error
	}
	if logger == nil {
		logger = slog.Default()
	}
	return refuser{stage: stage, onError: onError, logger: logger, lines: logsample.NewRefusals()}
}

// refuse logs err and answers. A refusal that is the client's doing is Info, a fault of the server an Error.
func (f *refuser) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f.log(r.Context(), err)
	f.onError(w, r, err)
}

func (f *refuser) log(ctx context.Context, err error) {
	level, status := slog.LevelInfo, refusal.Status(err)
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !f.logger.Enabled(ctx, level) {
		return
	}
	left, ok := f.lines.Take(status)
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
