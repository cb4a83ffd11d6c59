package redis_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is a way to the server that can be cut, silent, slow, and out of order between its connections.
type wire struct {
	address, to string
	delay       atomic.Int64 // nanoseconds by which each piece from the server comes late
	jitter      func() time.Duration

	mu   sync.Mutex
	cut  bool
	held chan struct{} // closed when pieces go on; nil while they do
	open map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String(), to: to, open: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); w.hold(false); w.set(true) })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			if !w.keep(near, far) {
				continue
			}
			go w.copy(far, near, false)
			go w.copy(near, far, true)
		}
	}()
	return w
}

// copy carries what comes from one end to the other. From the server it may be late.
func (w *wire) copy(to, from net.Conn, late bool) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		held := w.held
		w.mu.Unlock()
		if held != nil {
			<-held
		}
		if late {
			pause := time.Duration(w.delay.Load())
			if w.jitter != nil {
				pause += w.jitter()
			}
			time.Sleep(pause)
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *wire) keep(both ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range both {
		if w.cut {
			c.Close()
		} else {
			w.open[c] = true
		}
	}
	return !w.cut
}

// set cuts all connections and refuses new ones, or lets them be made.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for c := range w.open {
			c.Close()
		}
		clear(w.open)
	}
}

// hold keeps everything back, as a network does that loses all, or lets it go on.
func (w *wire) hold(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case on && w.held == nil:
		w.held = make(chan struct{})
	case !on && w.held != nil:
		close(w.held)
		w.held = nil
	}
}
