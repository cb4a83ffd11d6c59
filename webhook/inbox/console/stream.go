package console

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"time"
)

const (
	lookEvery = 2 * time.Second  // how often a stream looks for what has changed
	beatEvery = 15 * time.Second // how often it says that it is alive
	streamFor = 5 * time.Minute  // how long one lives: the browser comes again, and is let in again or not
	writeFor  = 10 * time.Second // how long one write may take
)

// follow is a stream of server-sent events. Each says that something has changed, and nothing about what: the script then asks for
// the page again. It ends with the request, with Close, and after a while.
func (v *visit) follow() error {
	h := v.w.Header()
	if v.r.Method == http.MethodHead {
		h["Content-Type"] = []string{"text/event-stream"}
		return nil
	}
	if !v.console.enter() {
		h["Retry-After"] = []string{"60"}
		return errBusy
	}
	defer func() { <-v.console.streams }()
	h["Content-Type"] = []string{"text/event-stream"}
	h["X-Accel-Buffering"] = []string{"no"} // for nginx, which would hold the events back
	s := stream{visit: v, answer: http.NewResponseController(v.w)}
	_ = s.answer.SetReadDeadline(time.Time{}) // the request is read; the server's deadline for it would end the stream
	s.run()
	return nil
}

// enter takes one of the places for streams, unless all are taken or the console is closed.
func (c *Console) enter() bool {
	select {
	case <-c.closed:
		return false
	default:
	}
	select {
	case c.streams <- struct{}{}:
		return true
	default:
		return false
	}
}

type stream struct {
	*visit
	answer *http.ResponseController
	seen   string
}

func (s *stream) run() {
	look, beat, end := time.NewTicker(lookEvery), time.NewTicker(beatEvery), time.NewTimer(streamFor)
	defer look.Stop()
	defer beat.Stop()
	defer end.Stop()
	s.seen = s.state()
	ok := s.send("retry: 3000\n\n")
	for ok {
		select {
		case <-s.r.Context().Done():
			return
		case <-s.console.closed:
			return
		case <-end.C:
			return
		case <-beat.C:
			ok = s.send(": here\n\n")
		case <-look.C:
			if now := s.state(); now != s.seen && now != "" {
				s.seen = now
				ok = s.send("event: change\ndata: " + now + "\n\n")
			}
		}
	}
}

// send writes one event and reports whether it went out.
func (s *stream) send(event string) bool {
	_ = s.answer.SetWriteDeadline(time.Now().Add(writeFor)) // where it is not supported, nothing ends the stream early either
	if _, err := s.w.Write([]byte(event)); err != nil {
		return false
	}
	return s.answer.Flush() == nil
}

// state is different when anything that a page shows has changed; empty when the ledger cannot be read.
func (s *stream) state() string {
	ctx := s.r.Context()
	stats, err := s.console.ledger.Stats(ctx)
	if err != nil {
		return ""
	}
	minutes, err := s.console.ledger.Activity(ctx, time.Now().Add(-time.Minute))
	if err != nil {
		return ""
	}
	stats.OldestPending = 0 // ages alone are no news
	for i := range stats.Types {
		stats.Types[i].OldestPending = 0
	}
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, stats, minutes) // maps are printed in the order of their keys
	return strconv.FormatUint(sum.Sum64(), 36)
}
