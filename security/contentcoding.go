package security

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"slices"
	"strings"
)

// freeExpansion is how much may come out of a body before its ratio counts: a short text may compress very well.
const freeExpansion = 64 << 10

// coding judges the Content-Encoding field lines and returns the one coding to undo, "" for none. A list of codings is
// refused: each would multiply the ratio of the others.
func (b *Body) coding(lines []string) (string, error) {
	if len(lines) == 0 {
		return "", nil
	}
	if len(lines) > 1 {
		return "", ErrContentEncoding
	}
	coding := strings.ToLower(trimOWS(lines[0]))
	switch coding {
	case "identity", "":
		return "", nil
	case "x-gzip": // RFC 9110, section 8.4.1.3
		coding = "gzip"
	}
	if !slices.Contains(b.codings, coding) {
		return "", ErrContentEncoding
	}
	return coding, nil
}

// expander undoes a content coding and watches how much it grows.
type expander struct {
	guard  *Body
	coding string
	in     countingReader
	reader io.ReadCloser // nil until the first Read: it reads the body's beginning
	pooled *gzip.Reader
	out    int64
	err    error
}

func (b *Body) decode(coding string, body io.Reader) *expander {
	return &expander{guard: b, coding: coding, in: countingReader{source: body}}
}

// Read reads decompressed bytes. Its error is that of the connection, ErrEncodedBody or ErrBodyRatio.
func (e *expander) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if e.reader == nil {
		if e.err = e.open(); e.err != nil {
			return 0, e.err
		}
	}
	n, err := e.reader.Read(p)
	e.out += int64(n)
	if e.out > freeExpansion && e.out > e.in.read*e.guard.ratio {
		n, err = 0, ErrBodyRatio
	}
	e.err = e.explain(err)
	return n, e.err
}

// open starts the decompressor, a pooled one where it can be.
func (e *expander) open() error {
	var err error
	if e.coding == "deflate" { // RFC 9110, section 8.4.1.2: the zlib format
		e.reader, err = zlib.NewReader(&e.in)
		return e.explain(err)
	}
	if z, ok := e.guard.gzip.Get().(*gzip.Reader); ok {
		e.pooled, err = z, z.Reset(&e.in)
	} else {
		e.pooled, err = gzip.NewReader(&e.in)
	}
	e.reader = e.pooled
	return e.explain(err)
}

// explain tells a broken coding from a broken connection: only the first is the coding's fault.
func (e *expander) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, ErrBodyRatio):
		return err
	case e.in.err != nil && !errors.Is(e.in.err, io.EOF):
		return e.in.err
	}
	return &codedError{reason: ErrEncodedBody, cause: err}
}

// release gives the decompressor back. Whoever reads on after the handler returned gets an end.
func (e *expander) release() {
	if e.pooled != nil {
		e.guard.gzip.Put(e.pooled)
	}
	e.pooled, e.reader, e.err = nil, nil, io.ErrClosedPipe
}

// countingReader counts what the decompressor took and keeps the error it met.
type countingReader struct {
	source io.Reader
	read   int64
	err    error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.read += int64(n)
	c.err = err
	return n, err
}

// codedError is one of the package's reasons with what caused it, for the log.
type codedError struct {
	reason error
	cause  error
}

func (e *codedError) Error() string   { return e.reason.Error() + ": " + e.cause.Error() }
func (e *codedError) Unwrap() []error { return []error{e.reason, e.cause} }
