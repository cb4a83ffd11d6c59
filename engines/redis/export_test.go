package redis

import (
	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// ParseMessage is parseMessage.
func ParseMessage(text string) (revalidate.Invalidation, error) { return parseMessage(text) }

// Unpack is unpack.
func Unpack(value []byte, most int) *revalidate.Entry { return unpack(value, most) }

// Pack is pack.
func Pack(e *revalidate.Entry, most int) ([]byte, error) { return pack(e, most) }

// RecordOf is recordOf.
func RecordOf(id string, fields map[string]string) (callback.SessionRecord, error) {
	return recordOf(id, fields)
}

// MessageOf is what Announce sends.
func MessageOf(inv revalidate.Invalidation) (string, error) { return messageOf(inv) }
