package security

import (
	"bytes"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MultipartLimits bounds the parts of a multipart body (RFC 2046, section 5.1) while it is read, by whichever reader the
// handler uses. Zero fields mean the defaults; -1 in MaxFiles allows no file.
type MultipartLimits struct {
	MaxParts       int   // parts of all kinds; zero means 100
	MaxFiles       int   // parts with a filename; zero means 10, -1 none
	MaxHeaders     int   // header lines of one part; zero means 16
	MaxHeaderBytes int   // all header lines of one part together; zero means 4096
	MaxFieldBytes  int64 // content of one part without a filename; zero means 64 KiB
	MaxFileBytes   int64 // content of one file; zero means as much as BodyConfig.MaxBody allows
}

// unbounded is more than any body, and leaves room to add to.
const unbounded = 1 << 62

func (l MultipartLimits) withDefaults(bad *invalid.Config) MultipartLimits {
	set := func(field string, v *int, zero, least int) {
		if *v < least {
			bad.Field("BodyConfig.Multipart."+field, *v, "must not be negative")
		}
		if *v == 0 {
			*v = zero
		}
	}
	set("MaxParts", &l.MaxParts, 100, 0)
	set("MaxFiles", &l.MaxFiles, 10, -1)
	set("MaxHeaders", &l.MaxHeaders, 16, 0)
	set("MaxHeaderBytes", &l.MaxHeaderBytes, 4096, 0)
	for _, size := range []struct {
		field string
		v     *int64
		zero  int64
	}{{"MaxFieldBytes", &l.MaxFieldBytes, 64 << 10}, {"MaxFileBytes", &l.MaxFileBytes, unbounded}} {
		if *size.v < 0 {
			bad.Field("BodyConfig.Multipart."+size.field, *size.v, "must not be negative")
		}
		if *size.v == 0 {
			*size.v = size.zero
		}
	}
	return l
}

// partCounter follows a multipart body as it streams by and counts what it holds. It takes every line that begins with the
// delimiter for one, also in the epilogue, so it counts at least the parts that any reader sees.
type partCounter struct {
	limits    MultipartLimits
	delimiter []byte // "--" and the boundary
	state     partState
	line      []byte // the current line so far, as much of it as matters
	lineLen   int64  // all of the current line so far
	parts     int
	files     int
	headers   int
	headerLen int
	content   int64
	isFile    bool
}

type partState int

const (
	inPreamble partState = iota
	inHeader
	inContent
	inEpilogue
)

func newPartCounter(boundary string, l MultipartLimits) *partCounter {
	return &partCounter{limits: l, delimiter: []byte("--" + boundary)}
}

// count takes the next bytes of the body. Its error is ErrMultipartLimit or nil.
func (c *partCounter) count(b []byte) error {
	for len(b) > 0 {
		piece, whole := b, false
		if end := bytes.IndexByte(b, '\n'); end >= 0 {
			piece, whole = b[:end+1], true
		}
		b = b[len(piece):]
		if err := c.piece(piece); err != nil {
			return err
		}
		if whole {
			if err := c.endLine(); err != nil {
				return err
			}
		}
	}
	return nil
}

// piece takes a part of one line.
func (c *partCounter) piece(p []byte) error {
	keep := len(c.delimiter) + 2 // a delimiter and the dashes that close the body
	if c.state == inHeader {
		keep = c.limits.MaxHeaderBytes
		c.headerLen += len(p)
		if c.headerLen > c.limits.MaxHeaderBytes {
			return ErrMultipartLimit
		}
	}
	if room := keep - len(c.line); room > 0 {
		c.line = append(c.line, p[:min(room, len(p))]...)
	}
	c.lineLen += int64(len(p))
	if c.state != inContent {
		return nil
	}
	// The line break before a delimiter belongs to it, and so may this line: two bytes and a delimiter are not held against
	// the content before it is clear what they are.
	c.content += int64(len(p))
	if c.content > c.limit()+int64(len(c.delimiter))+maxPadding {
		return ErrMultipartLimit
	}
	return nil
}

// maxPadding is the white space that may follow a delimiter on its line, and the line breaks around it.
const maxPadding = 64

func (c *partCounter) limit() int64 {
	if c.isFile {
		return c.limits.MaxFileBytes
	}
	return c.limits.MaxFieldBytes
}

// endLine judges the line that just ended.
func (c *partCounter) endLine() error {
	line := c.line
	length := c.lineLen
	c.line, c.lineLen = c.line[:0], 0
	if bytes.HasPrefix(line, c.delimiter) {
		return c.begin(line, length)
	}
	if c.state != inHeader {
		return nil
	}
	if len(bytes.TrimRight(line, "\r\n")) == 0 {
		c.state = inContent
		if c.isFile {
			if c.files++; c.files > c.limits.MaxFiles {
				return ErrMultipartLimit
			}
		}
		return nil
	}
	if c.headers++; c.headers > c.limits.MaxHeaders {
		return ErrMultipartLimit
	}
	c.isFile = c.isFile || namesFile(line)
	return nil
}

// begin handles a delimiter line: the content before it is complete, and a part or the epilogue begins.
func (c *partCounter) begin(line []byte, length int64) error {
	if c.state == inContent && c.content-length-2 > c.limit() {
		return ErrMultipartLimit
	}
	if bytes.HasPrefix(line[len(c.delimiter):], []byte("--")) {
		c.state = inEpilogue
		return nil
	}
	if c.parts++; c.parts > c.limits.MaxParts {
		return ErrMultipartLimit
	}
	c.state, c.headers, c.headerLen, c.content, c.isFile = inHeader, 0, 0, 0, false
	return nil
}

// namesFile reports whether a header line has a filename parameter (RFC 7578, section 4.2), plain or extended. It may take
// a quoted text for one: the stricter limit is then the file's.
func namesFile(line []byte) bool {
	rest := bytes.ToLower(line)
	for {
		_, after, ok := bytes.Cut(rest, []byte("filename"))
		if !ok {
			return false
		}
		rest = after
		after = bytes.TrimLeft(after, " \t*0123456789") // filename*=, filename*0=
		if len(after) > 0 && after[0] == '=' {
			return true
		}
	}
}
