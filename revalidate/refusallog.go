package revalidate

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
	"github.com/gatehouse-go/gatehouse/internal/recent"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

const (
	// strangerSilence is how long a stranger's refusals with one status are one line.
	strangerSilence = time.Minute
	// maxStrangers bounds the pairs of address and status that are remembered.
	maxStrangers = 1 << 12
)

// refusalLog writes a line for what is refused: always of those who showed a good token or signature, and of strangers once a minute for each
// address and status, at most ten a second. A line says how many were left out before it, as unlogged.
type refusalLog struct {
	log    *slog.Logger
	sample *logsample.Sample
	epoch  time.Time

	mu   sync.Mutex
	told map[telling]time.Duration // until when it is left out, since epoch
}

type telling struct {
	address netip.Addr
	status  int
}

func newRefusalLog(log *slog.Logger) *refusalLog {
	return &refusalLog{log: log, sample: logsample.New(), epoch: time.Now(), told: make(map[telling]time.Duration)}
}

func (l *refusalLog) write(r *http.Request, err error, stranger bool) {
	attrs := []slog.Attr{slog.Any("error", err)}
	if stranger {
		address := clientip.Network(clientip.From(r))
		left, ok := l.let(telling{address, refusal.Status(err)})
		if !ok {
			return
		}
		attrs = append(attrs, slog.String("client", address.String()))
		if left > 0 {
			attrs = append(attrs, slog.Int64("unlogged", left))
		}
	}
	l.log.LogAttrs(r.Context(), slog.LevelWarn, "revalidation refused", attrs...)
}

// let reports whether there is a line for t now, and how many were left out before it.
func (l *refusalLog) let(t telling) (left int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.epoch)
	if now < l.told[t] {
		l.sample.Leave()
		return 0, false
	}
	if left, ok = l.sample.Take(); ok {
		recent.Set(l.told, maxStrangers, t, now+strangerSilence, now)
	}
	return left, ok
}
