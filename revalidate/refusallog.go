package revalidate

import (
	"log/slog"
	"net/http"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// refusalLog writes a line for what is refused: for each request of those who showed a good token or signature, and of strangers in samples,
// of which a line says how many were left out before it, as unlogged.
type refusalLog struct {
	log       *slog.Logger
	strangers *logsample.Sample
}

func (l *refusalLog) write(r *http.Request, err error, stranger bool) {
	attrs := []slog.Attr{slog.Any("error", err)}
	if id := requestid.From(r.Context()); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if stranger {
		left, ok := l.strangers.Take()
		if !ok {
			return
		}
		attrs = append(attrs, slog.String("client", clientip.Network(clientip.From(r)).String()))
		if left > 0 {
			attrs = append(attrs, slog.Int64("unlogged", left))
		}
	}
	l.log.LogAttrs(r.Context(), slog.LevelWarn, "revalidation refused", attrs...)
}
