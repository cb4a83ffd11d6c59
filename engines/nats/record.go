package nats

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
	"github.com/gatehouse-go/gatehouse/webhook/inbox/engine"
)

// header is the one header of every message: a record as JSON. Records are in headers since the index is made from headers alone.
const header = "Inbox"

// Kinds of messages: the second token of a subject, and the last one of a delivery's.
//
//	INBOX.delivery.<key>.event     the event, or what is left of it when its body is gone
//	INBOX.delivery.<key>.state     what happened to it
//	INBOX.delivery.<key>.repeats   how often it came again
//	INBOX.paused.<hash>            a pause, or its end
//	INBOX.minute.<n>.<instance>    what a process counted in a minute
//	INBOX.gone.<number>            keys that are forgotten, until their messages are removed
//	INBOX.lease                    who handles
//	INBOX.health                   nothing, to see that storing works
const (
	kindDelivery = "delivery"
	kindEvent    = "event"
	kindState    = "state"
	kindRepeats  = "repeats"
	kindPaused   = "paused"
	kindMinute   = "minute"
	kindGone     = "gone"
	kindLease    = "lease"
	kindHealth   = "health"
)

// eventRecord is what the index keeps of an event. Texts are bytes: they may be anything. The payload of its message is the body, and after it the request.
type eventRecord struct {
	Provider []byte `json:"provider"`
	Type     []byte `json:"type"`
	EventID  []byte `json:"event_id,omitempty"`
	OrderKey []byte `json:"order_key,omitempty"`
	Body     int    `json:"body"` // bytes of it

	// Of an event whose body is gone: the number and time of the message that had it.
	ID         int64     `json:"id,omitempty"`
	AcceptedAt time.Time `json:"accepted_at,omitzero"`
}

// stateRecord is where a delivery stands. The payload of its message is the history, as JSON.
type stateRecord struct {
	Status   inbox.Status  `json:"status"`
	Attempts int           `json:"attempts,omitempty"`
	Tries    int           `json:"tries,omitempty"` // since the last replay
	Due      time.Time     `json:"due,omitzero"`
	Wait     time.Duration `json:"wait,omitempty"` // until Due, when this was written
	Ended    time.Time     `json:"ended,omitzero"`
	Error    string        `json:"error,omitempty"`
}

type pausedRecord struct {
	Provider []byte    `json:"provider"`
	Type     []byte    `json:"type"`
	Since    time.Time `json:"since"`
	By       string    `json:"by"`
	Why      string    `json:"why"`
	Ended    bool      `json:"ended,omitempty"`
}

type goneRecord struct {
	Keys []string `json:"keys"`
}

type leaseRecord struct {
	Owner string `json:"owner"` // empty when it was given back
}

// Bounds of what a state keeps.
const (
	longestError   = 4 << 10
	longestHistory = 256 << 10
)

// brief cuts s.
func brief(s string) string {
	if len(s) > longestError {
		s = s[:longestError] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// encodeHistory returns history as JSON, without its oldest attempts where it would be too long.
func encodeHistory(history []inbox.Attempt) []byte {
	for {
		encoded := []byte(record(history))
		if len(encoded) <= longestHistory || len(history) < 2 {
			return encoded
		}
		history = history[1+len(history)/8:]
	}
}

func decodeHistory(encoded []byte) (history []inbox.Attempt, err error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(encoded, &history); err != nil {
		return nil, fmt.Errorf("%w: the history: %w", errUnreadable, err)
	}
	return history, nil
}

// subject returns the subject of tokens within the stream.
func (c Config) subject(tokens ...string) string { return c.Stream + "." + strings.Join(tokens, ".") }

func (c Config) subjectOf(key webhook.Key, kind string) string {
	return c.subject(kindDelivery, hex.EncodeToString(key[:]), kind)
}

// parseKey returns the key that a subject has as text.
func parseKey(s string) (key webhook.Key, ok bool) {
	n, err := hex.Decode(key[:], []byte(s))
	return key, err == nil && n == len(key) && len(s) == 2*len(key)
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

func minuteToken(minute int64) string { return strconv.FormatInt(minute, 10) }

// errUnreadable says that a message is not as this package writes it.
var errUnreadable = errors.New("nats inbox: a message cannot be read")

// decodeEvent returns the event of a message. purged is true when body and request are gone.
func decodeEvent(key webhook.Key, record string, payload []byte) (e webhook.Event, purged bool, err error) {
	var r eventRecord
	if err := json.Unmarshal([]byte(record), &r); err != nil {
		return e, false, fmt.Errorf("%w: %v: %w", errUnreadable, key, err)
	}
	e = webhook.Event{Provider: string(r.Provider), Type: string(r.Type), ID: string(r.EventID), Key: key}
	if r.ID != 0 {
		return e, true, nil
	}
	if r.Body < 0 || r.Body > len(payload) {
		return e, false, fmt.Errorf("%w: %v: the body has %d bytes, of %d", errUnreadable, key, r.Body, len(payload))
	}
	e.Body = payload[:r.Body:r.Body]
	if err := engine.DecodeRequest(payload[r.Body:], &e); err != nil {
		return e, false, fmt.Errorf("%w: %v: %w", errUnreadable, key, err)
	}
	return e, false, nil
}
