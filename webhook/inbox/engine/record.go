package engine

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// request is what is kept of an event beside its columns and body, as JSON. An [object] writes it.
type request struct {
	Method        string            `json:"method"`
	Query         url.Values        `json:"query"`
	RawQuery      string            `json:"raw_query"` // in place of Query, where that is not UTF-8
	Header        map[string][]text `json:"header"`
	SignedHeaders []string          `json:"signed_headers"`
	TypeSigned    bool              `json:"type_signed"`
	IDSigned      bool              `json:"id_signed"`
	Repeatable    bool              `json:"repeatable"`
	SentAt        *time.Time        `json:"sent_at"`
	ReceivedAt    time.Time         `json:"received_at"`
	Secret        int               `json:"secret"`
	KeyID         string            `json:"key_id"`
}

// text is a header's value, which may have any bytes but control characters. As JSON it is a string, or {"base64": …} where it is not UTF-8, since
// JSON has no other bytes.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(encoded []byte) error {
	if len(encoded) > 0 && encoded[0] != '{' {
		return json.Unmarshal(encoded, (*string)(t))
	}
	var other struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(encoded, &other)
	*t = text(other.Base64)
	return err
}

// EncodeRequest returns what is kept of e beside its columns and body: header, query, method and proof, as JSON.
func EncodeRequest(e webhook.Event) ([]byte, error) {
	o := object{b: make([]byte, 0, 256)}
	o.str("method", e.Method)
	if valid(e.Query) {
		o.lists("query", e.Query, o.text)
	} else {
		o.str("raw_query", e.Query.Encode())
	}
	o.lists("header", e.Header, o.anyText)
	o.list("signed_headers", e.SignedHeaders)
	o.flag("type_signed", e.TypeSigned)
	o.flag("id_signed", e.IDSigned)
	o.flag("repeatable", e.Repeatable)
	if !e.SentAt.IsZero() {
		o.time("sent_at", e.SentAt)
	}
	o.time("received_at", e.ReceivedAt)
	o.number("secret", e.Proof.Secret)
	o.str("key_id", e.Proof.KeyID)
	return o.end()
}

// valid reports whether q is UTF-8 throughout.
func valid(q url.Values) bool {
	for name, values := range q {
		if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			return false
		}
	}
	return true
}

// headerFields returns the header with its values as strings.
func (m *request) headerFields() map[string][]string {
	if m.Header == nil {
		return nil
	}
	all := make(map[string][]string, len(m.Header))
	for name, values := range m.Header {
		of := make([]string, len(values))
		for i, v := range values {
			of[i] = string(v)
		}
		all[name] = of
	}
	return all
}

// DecodeRequest puts what [EncodeRequest] returned back into e.
func DecodeRequest(encoded []byte, e *webhook.Event) error {
	var m request
	if err := json.Unmarshal(encoded, &m); err != nil {
		return err
	}
	if m.RawQuery != "" {
		var err error
		if m.Query, err = url.ParseQuery(m.RawQuery); err != nil {
			return err
		}
	}
	e.Method, e.Query, e.Header = m.Method, m.Query, m.headerFields()
	e.SignedHeaders, e.TypeSigned, e.IDSigned = m.SignedHeaders, m.TypeSigned, m.IDSigned
	e.Repeatable, e.ReceivedAt, e.Proof.Secret, e.Proof.KeyID = m.Repeatable, m.ReceivedAt, m.Secret, m.KeyID
	if m.SentAt != nil {
		e.SentAt, e.Proof.SentAt = *m.SentAt, *m.SentAt
	}
	return nil
}

// A Line is what [inbox.Browser].Export writes of a delivery, as JSON.
type Line struct {
	ID         int64           `json:"id"`
	Key        string          `json:"key"`
	Provider   string          `json:"provider"`
	Type       string          `json:"type"`
	EventID    string          `json:"event_id,omitempty"`
	OrderKey   string          `json:"order_key,omitempty"`
	Status     inbox.Status    `json:"status"`
	Attempts   int             `json:"attempts"`
	Duplicates int             `json:"duplicates,omitempty"`
	AcceptedAt time.Time       `json:"accepted_at"`
	EndedAt    *time.Time      `json:"ended_at,omitempty"`
	Error      string          `json:"error,omitempty"`
	Request    json.RawMessage `json:"request,omitempty"` // absent when purged
	Body       []byte          `json:"body,omitempty"`    // base64
}

// LineOf returns the Line of d.
func LineOf(d *inbox.Delivery) (Line, error) {
	line := Line{
		ID: d.ID, Key: d.Event.Key.String(), Provider: d.Event.Provider, Type: d.Event.Type, EventID: d.Event.ID, OrderKey: d.OrderKey, Status: d.Status,
		Attempts: d.Attempts, Duplicates: d.Duplicates, AcceptedAt: d.AcceptedAt.UTC(), Error: d.Error, Body: d.Event.Body,
	}
	if !d.EndedAt.IsZero() {
		ended := d.EndedAt.UTC()
		line.EndedAt = &ended
	}
	if d.Purged {
		return line, nil
	}
	var err error
	line.Request, err = EncodeRequest(d.Event)
	return line, err
}
