// Package reqbody reads a request body whole, within a size, a time and a minimum rate.
package reqbody

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// Reasons for which a body is refused.
var (
	ErrTooLarge   = refusal.New(http.StatusRequestEntityTooLarge, "request body is larger than allowed")
	ErrTimeout    = refusal.New(http.StatusRequestTimeout, "request body did not arrive in time")
	ErrIncomplete = refusal.New(http.StatusBadRequest, "request body ended early or is malformed")
)

// Limits bounds the reading of one body. All bounds are required to be positive but for MinRate.
type Limits struct {
	Max     int64         // bytes
	Timeout time.Duration // from the call of Read to the last byte

	// MinRate, in bytes a second, refuses a body that trickles in: at each moment after Grace, at least MinRate bytes
	// for each second since the start must have come. Zero means Timeout alone bounds the time.
	MinRate int64
	Grace   time.Duration
}

// firstBuffer is as much as a client's Content-Length alone makes the server set aside; the rest is allocated when
// that much has really arrived.
const firstBuffer = 64 << 10

// chunk is how much is read between two looks at the clock where MinRate is set.
const chunk = 16 << 10

// Read returns the exact bytes of r's body. The error is, or wraps, one of the package's reasons; a declared length above
// Max is refused before a byte is read. The read deadline is set through w and cleared again on return; where w has none to set, as in
// a test without a server, only the size is bounded.
//
// A body of declared length up to 64 KiB costs one allocation of that size.
func Read(w http.ResponseWriter, r *http.Request, l Limits) ([]byte, error) {
	if r.ContentLength > l.Max {
		return nil, ErrTooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	d := Pace{Limits: l}
	d.Start(w)
	defer d.Clear()
	if Empty(r) {
		return nil, nil
	}

	size := int64(512)
	if r.ContentLength > 0 {
		size = r.ContentLength
	}
	buf := make([]byte, 0, min(size, firstBuffer, l.Max)+1) // one more than the length, to see the end in the same Read
	for {
		room := buf[len(buf):cap(buf)]
		if l.MinRate > 0 && len(room) > chunk {
			room = room[:chunk]
		}
		n, err := r.Body.Read(room)
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > l.Max:
			return nil, ErrTooLarge
		case err == io.EOF:
			return buf, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, ErrTimeout
		case err != nil:
			if _, capped := errors.AsType[*http.MaxBytesError](err); capped { // by a middleware around us
				return nil, ErrTooLarge
			}
			return nil, &readError{err}
		}
		if !d.Advance(int64(len(buf))) {
			return nil, ErrTimeout
		}
		if len(buf) == cap(buf) {
			buf = grow(buf, r.ContentLength, l.Max)
		}
	}
}

// grow gives buf room up to the declared length, else doubles it; never beyond limit and the byte that detects more.
func grow(buf []byte, declared, limit int64) []byte {
	size := int64(cap(buf)) * 2
	if declared > int64(len(buf)) {
		size = declared + 1
	}
	bigger := make([]byte, len(buf), min(size, limit+1))
	copy(bigger, buf)
	return bigger
}

// Pace moves a connection's read deadline as a body arrives: Start, then Advance after each read, and Clear at the end.
type Pace struct {
	Limits // Max is not looked at

	controller *http.ResponseController
	start      time.Time
	absent     bool // the writer has no deadline to set
}

// Start begins to count the time, and sets the deadline for the first byte through w.
func (d *Pace) Start(w http.ResponseWriter) {
	d.controller, d.start = http.NewResponseController(w), time.Now()
	d.Advance(0)
}

// Advance sets the deadline for the next byte after got bytes, and reports whether there still is time.
func (d *Pace) Advance(got int64) bool {
	l := d.Limits
	if l.MinRate == 0 && got > 0 {
		return true // the one deadline set at the start holds
	}
	last := d.start.Add(l.Timeout)
	if l.MinRate > 0 {
		earned := l.Timeout
		if got < l.MinRate*int64(l.Timeout/time.Second+1) { // beyond that, the product below could overflow
			earned = l.Grace + time.Duration(float64(got+1)/float64(l.MinRate)*float64(time.Second))
		}
		if by := d.start.Add(earned); by.Before(last) {
			last = by
		}
	}
	if !time.Now().Before(last) {
		return false
	}
	if !d.absent && d.controller.SetReadDeadline(last) != nil {
		d.absent = true
	}
	return true
}

// Clear takes the deadline back: one that lapses while the handler runs would cancel the request's context.
func (d *Pace) Clear() {
	if d.controller != nil && !d.absent {
		_ = d.controller.SetReadDeadline(time.Time{}) // it could be set, so it can be cleared
	}
}

// readError keeps what net/http said for the log and is ErrIncomplete for [errors.Is].
type readError struct{ cause error }

func (e *readError) Error() string   { return ErrIncomplete.Error() + ": " + e.cause.Error() }
func (e *readError) Unwrap() []error { return []error{ErrIncomplete, e.cause} }
