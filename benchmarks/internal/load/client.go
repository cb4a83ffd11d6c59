package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
)

// A Request is what is sent again and again, and what answers it may get.
type Request struct {
	Method, Target string
	Header         string // further lines, each with its CRLF
	Statuses       []int  // that are right
}

// text is the request as it is sent. The path is all that changes: Host is the same for each server.
func (r Request) text() []byte {
	length := ""
	if r.Method == http.MethodPost {
		length = "Content-Length: 0\r\n"
	}
	return []byte(r.Method + " " + r.Target + " HTTP/1.1\r\nHost: localhost\r\n" + r.Header + length + "\r\n")
}

// A Client sends one request over several connections that stay open. It does as little as it can, so that on few cores the server and
// not the client is what is measured.
type Client struct {
	request     Request
	text        []byte
	addr        string
	connections []*connection // nil where one is not open
}

type connection struct {
	net.Conn
	in *bufio.Reader
}

// NewClient returns a client that opens so many connections to s with its first request: a server ends those that are idle for long.
func NewClient(s *Server, r Request, connections int) *Client {
	return &Client{request: r, text: r.text(), addr: s.Addr, connections: make([]*connection, connections)}
}

func (c *Client) dial(ctx context.Context) error {
	var dialer net.Dialer
	for i, open := range c.connections {
		if open != nil {
			continue
		}
		conn, err := dialer.DialContext(ctx, "tcp", c.addr)
		if err != nil {
			return err
		}
		c.connections[i] = &connection{conn, bufio.NewReaderSize(conn, 16<<10)}
	}
	return nil
}

// Close closes the connections.
func (c *Client) Close() error {
	var errs []error
	for i, conn := range c.connections {
		if conn != nil {
			errs = append(errs, conn.Close())
			c.connections[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Send sends n requests and waits for the answers, over all connections at once: on each the next follows the answer to the one before. It
// panics when an answer is wrong.
func (c *Client) Send(n int) {
	if err := c.send(n); err != nil {
		panic(fmt.Sprintf("%s: %s %s: %v", c.addr, c.request.Method, c.request.Target, err))
	}
}

// send takes the connections in turn, in one goroutine: while it looks after one, the server is busy with the others, and their answers are
// mostly there when they are read. Meanwhile this process has one processor: the scheduler's idle ones would look for work at the cost of
// the server.
func (c *Client) send(n int) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := c.dial(context.Background()); err != nil {
		return err
	}
	k := len(c.connections)
	for i := range n + k {
		conn := c.connections[i%k]
		if i >= k && i-k < n {
			status, err := conn.answer()
			if err != nil {
				return err
			}
			if !slices.Contains(c.request.Statuses, status) {
				return fmt.Errorf("answered %d and not one of %d", status, c.request.Statuses)
			}
		}
		if i < n {
			if _, err := conn.Write(c.text); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	lengthField = []byte("content-length:")
	codingField = []byte("transfer-encoding:")
)

// answer reads one answer to its end and returns its status.
func (c *connection) answer() (int, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("status line %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		switch {
		case hasName(line, lengthField):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthField):]))); err != nil {
				return 0, err
			}
		case hasName(line, codingField):
			chunked = true
		}
	}
	if !chunked {
		_, err = c.in.Discard(length)
		return status, err
	}
	return status, c.chunks()
}

// hasName compares the name of a field without its case.
func hasName(line, name []byte) bool {
	return len(line) > len(name) && bytes.EqualFold(line[:len(name)], name)
}

// chunks reads a chunked body (RFC 9112, section 7.1).
func (c *connection) chunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if _, err := c.in.Discard(int(size) + len("\r\n")); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
