package security

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// DecodeConfig bounds what [Decode] takes. The zero value is strict and right for most.
type DecodeConfig struct {
	// MaxBody bounds the body. Zero means 1 MiB; a [Body] around it may bound it further.
	MaxBody int64

	// MaxDepth bounds how deep arrays and objects may lie in one another. Zero means 32.
	MaxDepth int

	// MaxFields bounds how many fields a form may have, and how many values together. Zero means 1000.
	MaxFields int

	// AllowUnknown lets members and fields pass that T has no place for. They are dropped.
	AllowUnknown bool

	// Sanitize cleans string fields after decoding: a field with the tag sanitize:"html" gets what Sanitize["html"] returns
	// for it. A tag that is not in the map is an error of the program, and answered 500. The package security/sanitize has functions
	// for it. Nil means that fields have no such tag.
	Sanitize map[string]func(string) string
}

// Decode reads the body of r into a T, or says what is wrong with each part of it: the error then is a [*DecodeError], which
// [WriteError] answers with a JSON Pointer to each fault. Other errors are those of reading, such as [ErrBodyTooLarge], and
// [ErrMediaType]; all have the status of their answer.
//
// By its Content-Type the body is JSON ("application/json" and types that end in +json), or a form
// (application/x-www-form-urlencoded, or multipart/form-data without files).
//
// JSON is taken as RFC 7493 (I-JSON) has it: UTF-8 without lone surrogates, no name twice in an object, one value and
// nothing after it. Names match the fields of T exactly, case included; unknown names, a value of another type and a
// number that the field cannot hold are faults. A form is taken alike: see the "form" tag below.
//
// Fields of T are named by their json tag. In a form a field is named by its form tag, else by its json tag; it may be a
// string, a bool ("true" or "false"), a number, a [time.Time] or other [encoding.TextUnmarshaler], a pointer to one, or a
// slice of one, which takes a name that occurs several times.
//
// If *T has a method Validate() []Fault, it is called at the end, and its faults are the error's.
func Decode[T any](r *http.Request, c DecodeConfig) (T, error) {
	var v, none T
	if err := decodeInto(&v, r, c.withDefaults()); err != nil {
		return none, err
	}
	return v, nil
}

// decodeInto is Decode without its type parameter, so that it is compiled once.
func decodeInto(v any, r *http.Request, c DecodeConfig) error {
	read, err := decoderFor(r)
	if err != nil {
		return err
	}
	body, err := readAll(r, c.MaxBody)
	if err != nil {
		return err
	}
	if err := read(v, body, c); err != nil {
		return err
	}
	if err := sanitizeFields(v, c); err != nil {
		return err
	}
	if checked, ok := v.(interface{ Validate() []Fault }); ok {
		if faults := checked.Validate(); len(faults) > 0 {
			return &DecodeError{Faults: faults[:min(len(faults), maxFaults)], reason: ErrContent}
		}
	}
	return nil
}

// maxFaults is how many faults are collected: enough for a person to mend, and a bound to the work done for a bad body.
const maxFaults = 16

func (c DecodeConfig) withDefaults() DecodeConfig {
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	if c.MaxDepth <= 0 {
		c.MaxDepth = 32
	}
	if c.MaxFields <= 0 {
		c.MaxFields = 1000
	}
	return c
}

// decoderFor chooses by Content-Type how the body is read.
func decoderFor(r *http.Request) (func(v any, body []byte, c DecodeConfig) error, error) {
	lines := r.Header["Content-Type"]
	if len(lines) != 1 {
		return nil, ErrMediaType
	}
	if lines[0] == "application/json" {
		return decodeJSON, nil
	}
	name, params, err := mime.ParseMediaType(lines[0])
	if err != nil {
		return nil, ErrMediaType
	}
	if charset, ok := params["charset"]; ok && !isUTF8Name(charset) {
		return nil, ErrCharset
	}
	switch {
	case name == "application/json" || strings.HasSuffix(name, "+json"):
		return decodeJSON, nil
	case name == "application/x-www-form-urlencoded":
		return decodeForm, nil
	case name == "multipart/form-data" && isBoundary(params["boundary"]):
		return decodeMultipart(params["boundary"]), nil
	}
	return nil, ErrMediaType
}

// readAll reads the body whole, or fails with ErrBodyTooLarge, ErrNoBody or the reader's own error.
func readAll(r *http.Request, limit int64) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, ErrNoBody
	}
	if r.ContentLength > limit {
		return nil, &tooLargeError{limit: limit}
	}
	size := int64(512)
	if r.ContentLength > 0 {
		size = min(r.ContentLength, 64<<10) + 1
	}
	buf := make([]byte, 0, size)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, &tooLargeError{limit: limit}
		}
		switch {
		case errors.Is(err, io.EOF):
			if len(buf) == 0 {
				return nil, ErrNoBody
			}
			return buf, nil
		case err != nil:
			return nil, readFailure(err)
		}
	}
}

func asDecodeError(err error) (*DecodeError, bool) {
	var e *DecodeError
	ok := errors.As(err, &e)
	return e, ok
}

// readFailure gives a failed read the status of its answer where it has none: 408 when a deadline passed, else 400.
func readFailure(err error) error {
	var coded interface{ StatusCode() int }
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &coded):
		return err
	case errors.As(err, &tooLarge):
		return &tooLargeError{limit: tooLarge.Limit}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &codedError{reason: reqbody.ErrTimeout, cause: err}
	}
	return &codedError{reason: reqbody.ErrIncomplete, cause: err}
}
