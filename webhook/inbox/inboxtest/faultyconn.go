package inboxtest

import (
	"errors"
	"io"
	"net"
)

// Conn returns c, but for that it breaks at the write, or at the read, that f chooses. A write that fails was not sent. A read that fails is an answer
// that is lost: what it answered has happened.
func (f *Faults) Conn(c net.Conn) net.Conn { return &faultyConn{c, f} }

type faultyConn struct {
	net.Conn
	faults *Faults
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if c.faults.Next("a write") {
		return 0, errors.Join(io.ErrClosedPipe, c.Close())
	}
	return c.Conn.Write(p)
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.faults.Next("a read") {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}
