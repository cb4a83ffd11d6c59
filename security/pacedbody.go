package security

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// pacedBody is a request body that must arrive at a pace.
type pacedBody struct {
	io.ReadCloser
	pace   reqbody.Pace
	writer *deadlinesWriter // nil where the request has no body
	began  bool
	got    int64
	late   atomic.Bool
	ended  atomic.Bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if !b.began {
		b.began = true
		b.pace.Start(pacing{b.writer})
	}
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	switch {
	case err == nil:
		if !b.pace.Advance(b.got) {
			b.late.Store(true)
			return n, ErrBodyTimeout
		}
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
		b.pace.Clear()
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late.Store(true)
		return n, ErrBodyTimeout
	}
	return n, err
}

// pacing sets our own read deadline rather than the handler's.
type pacing struct{ *deadlinesWriter }

func (p pacing) SetReadDeadline(t time.Time) error {
	if p.connection == nil {
		return http.ErrNotSupported
	}
	p.setRead(t)
	return nil
}
