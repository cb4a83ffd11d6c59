package redis

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// entryName is what the server knows an entry by: a hash, since the key may be long, and hold what a URL holds.
type entryName [sha256.Size]byte

func nameOf(key string) entryName { return sha256.Sum256([]byte(key)) }

func (n entryName) String() string { return hex.EncodeToString(n[:]) }

// The first byte of a value says how the rest is written. One that is not known is a miss: it is from a newer version of this package.
const (
	plainEntry    = 1
	deflatedEntry = 2
)

// deflateFrom is the size from which an entry is compressed: below, it costs more than it saves.
const deflateFrom = 2 << 10

// deflaters and inflaters are kept, for making one costs more than using it.
var (
	deflaters = sync.Pool{New: func() any { //nolint:gochecknoglobals // free memory, which has no state
		w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }} //nolint:gochecknoglobals // as above
)

// pack returns what the server keeps for e; nil where e is larger than most, or cannot be encoded, which is the error.
func pack(e *revalidate.Entry, most int) ([]byte, error) {
	encoded, err := e.MarshalBinary()
	if err != nil || len(encoded) > most {
		return nil, err
	}
	if len(encoded) >= deflateFrom {
		var out bytes.Buffer
		out.WriteByte(deflatedEntry)
		w := deflaters.Get().(*flate.Writer) //nolint:forcetypeassert // the pool has nothing else
		defer deflaters.Put(w)
		w.Reset(&out)
		_, _ = w.Write(encoded) // a Buffer takes everything
		_ = w.Close()
		if out.Len() < len(encoded) {
			return out.Bytes(), nil
		}
	}
	return append([]byte{plainEntry}, encoded...), nil
}

// unpack undoes pack, or returns nil for what no pack made, and for what is larger than most.
func unpack(value []byte, most int) *revalidate.Entry {
	if len(value) == 0 {
		return nil
	}
	encoded := value[1:]
	switch value[0] {
	case plainEntry:
	case deflatedEntry:
		r := inflaters.Get().(io.ReadCloser) //nolint:forcetypeassert // the pool has nothing else
		defer inflaters.Put(r)
		_ = r.(flate.Resetter).Reset(bytes.NewReader(encoded), nil) //nolint:forcetypeassert // as the package says
		var err error
		if encoded, err = io.ReadAll(io.LimitReader(r, int64(most)+1)); err != nil {
			return nil
		}
	default:
		return nil
	}
	e := new(revalidate.Entry)
	if len(encoded) > most || e.UnmarshalBinary(encoded) != nil {
		return nil
	}
	return e
}
