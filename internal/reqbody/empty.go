package reqbody

import (
	"io"
	"net/http"
)

// Empty reports whether r has no body. A ContentLength of 0 with a Body that is not [http.NoBody] is either a request without a body, as HTTP/2
// brings it, or one whose length is unknown to who made it: an adapter of a platform that is not net/http's server, for one. There it
// looks at the first byte, puts it back, and sets ContentLength to -1 where there is one.
func Empty(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.ContentLength != 0 {
		return false
	}
	var first [1]byte
	for range 8 { // a Read of nothing is allowed and means nothing
		n, err := r.Body.Read(first[:])
		if n > 0 {
			r.Body, r.ContentLength = &putBack{ReadCloser: r.Body, first: first[0]}, -1
			return false
		}
		if err == io.EOF {
			return true
		}
		if err != nil {
			r.Body, r.ContentLength = &broken{ReadCloser: r.Body, err: err}, -1
			return false
		}
	}
	r.Body, r.ContentLength = &broken{ReadCloser: r.Body, err: io.ErrNoProgress}, -1
	return false
}

// putBack is a body whose first byte was read already.
type putBack struct {
	io.ReadCloser

	first byte
	given bool
}

func (b *putBack) Read(p []byte) (int, error) {
	if b.given || len(p) == 0 {
		return b.ReadCloser.Read(p)
	}
	p[0], b.given = b.first, true
	return 1, nil
}

// broken is a body that failed at its first byte.
type broken struct {
	io.ReadCloser

	err error
}

func (b *broken) Read([]byte) (int, error) { return 0, b.err }
