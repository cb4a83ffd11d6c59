package engine

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// request is what is kept of an event beside its columns and body, as JSON.
type request struct {
	Method        string      `json:"method,omitempty"`
	Query         url.Values  `json:"query,omitempty"`
	Header        http.Header `json:"header,omitempty"`
	SignedHeaders []string    `json:"signed_headers,omitempty"`
	TypeSigned    bool        `json:"type_signed,omitempty"`
	IDSigned      bool        `json:"id_signed,omitempty"`
	Repeatable    bool        `json:"repeatable,omitempty"`
	SentAt        *time.Time  `json:"sent_at,omitempty"`
	ReceivedAt    time.Time   `json:"received_at"`
	Secret        int         `json:"secret,omitempty"`
	KeyID         string      `json:"key_id,omitempty"`
}

// EncodeRequest returns what is kept of e beside its columns and body: header, query, method and proof, as JSON.
func EncodeRequest(e webhook.Event) ([]byte, error) {
	m := request{
		Method: e.Method, Query: e.Query, Header: e.Header, SignedHeaders: e.SignedHeaders, TypeSigned: e.TypeSigned, IDSigned: e.IDSigned,
		Repeatable: e.Repeatable, ReceivedAt: e.ReceivedAt, Secret: e.Proof.Secret, KeyID: e.Proof.KeyID,
	}
	if !e.SentAt.IsZero() {
		m.SentAt = &e.SentAt
	}
	return json.Marshal(m)
}

// DecodeRequest puts what [EncodeRequest] returned back into e.
func DecodeRequest(encoded []byte, e *webhook.Event) error {
	var m request
	if err := json.Unmarshal(encoded, &m); err != nil {
		return err
	}
	e.Method, e.Query, e.Header, e.SignedHeaders, e.TypeSigned, e.IDSigned = m.Method, m.Query, m.Header, m.SignedHeaders, m.TypeSigned, m.IDSigned
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
