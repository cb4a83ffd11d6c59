package revalidate

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// ErrNotEncodable is the error of [Entry.MarshalBinary] for a value that JSON cannot say, and for a kept error.
var ErrNotEncodable = errors.New("revalidate: entry cannot be encoded")

// ErrEncoding is the error of [Entry.UnmarshalBinary] for bytes that no MarshalBinary made.
var ErrEncoding = errors.New("revalidate: not an encoded entry")

// NewEntry returns an entry that holds value until keep, for tests of a [Store]. The error is that of a tag which breaks a rule.
func NewEntry(value any, keep time.Time, tags ...string) (*Entry, error) {
	packed, err := packTags(tags)
	if err != nil {
		return nil, err
	}
	e := &Entry{tags: packed, fresh: keep.UnixNano(), expire: keep.UnixNano(), keep: keep.UnixNano(), value: &data[any]{value: value}}
	e.size = entryOverhead + int64(len(packed)) + sizeOf(e.value)
	return e, nil
}

// encoded is a value that came from another process or machine and has not been read yet.
type encoded struct {
	json    []byte
	decoded atomic.Value // of type holder
}

type holder struct{ data any }

func (v *encoded) size() int64 { return 2 * int64(len(v.json)) } // once as it came, once decoded

func decodeJSON[T any](v *encoded) (*data[T], bool) {
	if h, ok := v.decoded.Load().(holder); ok {
		if d, ok := h.data.(*data[T]); ok {
			return d, true
		}
	}
	d := new(data[T])
	if json.Unmarshal(v.json, &d.value) != nil {
		return nil, false
	}
	v.decoded.Store(holder{d})
	return d, true
}

// encodable is implemented by stored values that are data.
type encodable interface{ encode() ([]byte, error) }

func (d *data[T]) encode() ([]byte, error) {
	if d.err != nil {
		return nil, ErrNotEncodable
	}
	b, err := json.Marshal(d.value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotEncodable, err)
	}
	return b, nil
}

func (v *encoded) encode() ([]byte, error) { return v.json, nil } //nolint:unparam // an encodable

const (
	encodedData byte = iota + 1
	encodedResponse
	encodedVariants
	encodedUnshared
)

// encodingVersion is the first byte of an encoded entry; another version is not read.
const encodingVersion = 1

// MarshalBinary returns the entry as bytes, for a store outside this process. Data is encoded as JSON: what a type keeps from
// JSON is lost, and a value that JSON cannot say, or a kept error, is [ErrNotEncodable].
func (e *Entry) MarshalBinary() ([]byte, error) {
	w := encoder{b: make([]byte, 0, e.size)}
	w.b = append(w.b, encodingVersion)
	for _, n := range [...]int64{e.stamp, e.fresh, e.expire, e.keep} {
		w.int(n)
	}
	w.str(e.tags)
	w.str(e.path)
	switch v := e.value.(type) {
	case encodable:
		b, err := v.encode()
		if err != nil {
			return nil, err
		}
		w.b = append(w.b, encodedData)
		w.bytes(b)
	case *variants:
		w.b = append(w.b, encodedVariants)
		w.str(v.id)
		w.strs(v.names)
	case *unshared:
		w.b = append(w.b, encodedUnshared)
		w.int(int64(v.status))
	case *response:
		w.b = append(w.b, encodedResponse)
		w.response(v)
	}
	return w.b, nil
}

// UnmarshalBinary sets e to what MarshalBinary encoded; the error wraps [ErrEncoding]. size is worked out anew. key is not
// part of the encoding.
func (e *Entry) UnmarshalBinary(b []byte) error {
	r := decoder{b: b}
	if r.byte() != encodingVersion {
		return fmt.Errorf("%w: version", ErrEncoding)
	}
	e.stamp, e.fresh, e.expire, e.keep = r.int(), r.int(), r.int(), r.int()
	e.checked.Store(0)
	e.tags, e.path = r.str(), r.str()
	switch r.byte() {
	case encodedData:
		e.value = &encoded{json: slices.Clone(r.bytes())}
	case encodedVariants:
		e.value = &variants{id: r.str(), names: r.strs()}
	case encodedUnshared:
		e.value = &unshared{status: int(r.int())}
	case encodedResponse:
		e.value = r.response()
	default:
		r.failed = true
	}
	if r.failed || len(r.b) > 0 || !wellPacked(e.tags) {
		return ErrEncoding
	}
	e.size = entryOverhead + int64(len(e.tags)+len(e.path)) + sizeOf(e.value)
	return nil
}

type encoder struct{ b []byte }

func (w *encoder) int(n int64)    { w.b = binary.AppendVarint(w.b, n) }
func (w *encoder) bytes(b []byte) { w.b = append(binary.AppendUvarint(w.b, uint64(len(b))), b...) }
func (w *encoder) str(s string)   { w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...) }

func (w *encoder) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *encoder) strs(list []string) {
	w.int(int64(len(list)))
	for _, s := range list {
		w.str(s)
	}
}

func (w *encoder) fields(fields []field) {
	w.int(int64(len(fields)))
	for _, f := range fields {
		w.str(f.name)
		w.strs(f.lines)
	}
}

func (w *encoder) response(v *response) {
	w.int(int64(v.status))
	w.fields(v.fields)
	w.fields(v.hidden)
	w.bytes(v.body)
	p := &v.policy
	for _, n := range [...]int64{v.born, v.modified, p.life, p.date, p.staleWhile, p.staleIfError} {
		w.int(n)
	}
	for _, flag := range [...]bool{v.hasLM, p.noCache, p.mustRevalidate} {
		w.bool(flag)
	}
}

// decoder reads what encoder wrote. After a mistake it gives zero values, and failed is set.
type decoder struct {
	b      []byte
	failed bool
}

func (r *decoder) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *decoder) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *decoder) bytes() []byte {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(len(r.b)-size) { //nolint:gosec // size is at most the length
		r.failed, r.b = true, nil
		return nil
	}
	end := size + int(n) //nolint:gosec // within len(r.b)
	out := r.b[size:end]
	r.b = r.b[end:]
	return out
}

func (r *decoder) str() string { return string(r.bytes()) }

// count reads the length of a list, each of whose items takes at least one byte.
func (r *decoder) count() int {
	n := r.int()
	if n < 0 || n > int64(len(r.b)) {
		r.failed, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *decoder) strs() []string {
	n := r.count()
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.str())
	}
	return list
}

func (r *decoder) fields() (fields []field) {
	for range r.count() {
		fields = append(fields, field{name: r.str(), lines: r.strs()})
	}
	return fields
}

func (r *decoder) response() *response {
	v := &response{status: int(r.int())}
	v.fields = r.fields()
	v.hidden = r.fields()
	v.body = slices.Clone(r.bytes())
	p := &v.policy
	for _, n := range [...]*int64{&v.born, &v.modified, &p.life, &p.date, &p.staleWhile, &p.staleIfError} {
		*n = r.int()
	}
	for _, flag := range [...]*bool{&v.hasLM, &p.noCache, &p.mustRevalidate} {
		*flag = r.byte() == 1
	}
	p.store = true
	v.etag = v.line("Etag")
	v.ready()
	if v.status < http.StatusOK || v.status > 999 {
		r.failed = true
	}
	return v
}
