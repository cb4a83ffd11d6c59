package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// cappedBody is a request body on its way upstream. It notes why reading it failed, which the transport's own error does not tell
// from a failing upstream.
type cappedBody struct {
	io.ReadCloser
	left   int64
	failed atomic.Pointer[error] // the transport reads the body in a goroutine of its own
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrBodySize
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = bodyError(err)
		b.failed.Store(&err)
	}
	return n, err
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError // a cap set by a middleware around us
	switch {
	case errors.As(err, &tooLarge):
		return ErrBodySize
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reqbody.ErrTimeout
	case errors.Is(err, ErrBodySize):
		return err
	}
	return errors.Join(ErrBody, err)
}

func (b *cappedBody) failure() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// idleBody closes an answer's body when nothing came for timeout, which makes the Read under way fail.
type idleBody struct {
	io.ReadCloser
	timeout time.Duration
	timer   *time.Timer
	expired atomic.Bool
	once    sync.Once
	err     error
}

func (b *idleBody) expire() {
	b.expired.Store(true)
	_ = b.shut() // a Read or Write under way reports it
}

func (b *idleBody) shut() error {
	b.once.Do(func() { b.err = b.ReadCloser.Close() })
	return b.err
}

func (b *idleBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && err == nil {
		b.timer.Reset(b.timeout)
	}
	if err != nil && b.expired.Load() {
		err = ErrUpstreamTimeout
	}
	return n, err
}

func (b *idleBody) Close() error {
	b.timer.Stop()
	return b.shut()
}

// idleConn is an idleBody over an upgraded connection, which is written to as well. Closing it is what ends it: the
// transport no longer watches it.
type idleConn struct {
	*idleBody
	conn io.ReadWriteCloser
}

func (c *idleConn) Write(p []byte) (int, error) {
	n, err := c.conn.Write(p)
	if n > 0 {
		c.timer.Reset(c.timeout)
	}
	return n, err
}

const copyBuffer = 32 << 10

// A bufferPool lends the memory through which answers are copied.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if buffer, ok := p.pool.Get().(*[copyBuffer]byte); ok {
		return buffer[:]
	}
	return make([]byte, copyBuffer)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[copyBuffer]byte)(b)) }
