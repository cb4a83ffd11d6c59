package provider

import (
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// Source says where a delivery carries a value, such as its type or id. The zero Source is nowhere.
type Source struct {
	// Header is a header field. It is trusted only where the signature covers it.
	Header string

	// JSON lists places in a JSON body, tried in order after Header: member names joined by dots, such as "event.type". "[]" stands
	// for each element of an array, as in "events[].type": a type is then taken when all agree, an id when there is just one. A "+"
	// joins the values of two places by a dot, as in "entity+action".
	JSON []string

	// Form lists fields of a form body (application/x-www-form-urlencoded), tried in order after JSON.
	Form []string
}

// clone returns s with lists of its own.
func (s Source) clone() Source {
	s.JSON, s.Form = slices.Clone(s.JSON), slices.Clone(s.Form)
	return s
}

// identity says how a provider's deliveries name themselves. It is the Describe half of a Verifier.
type identity struct {
	provider string
	typ, id  Source

	bodySigned    bool     // the signature covers the whole body
	signedHeaders []string // canonical names of the header fields that it covers

	// bearer: a token proves the sender and nothing is signed. Who can send one delivery can then send any, so the id is taken at its
	// word for deduplication: a digest would only swallow true repeats.
	bearer bool

	// unique: a delivery without an id is an event of its own.
	unique bool

	// dated, where not empty, is the JSON place of the event's own time: without it two events may have one body, and a delivery is an
	// event of its own.
	dated string

	// timeInKey: without a signed id, the signed time tells two deliveries with one body apart.
	timeInKey bool

	// batch lists JSON places whose values together name a delivery, where one id does not: a batch of events, or an id that is
	// not unique by itself. It goes before the id.
	batch []string

	// beside lists unsigned header fields that enter the key next to the body's digest, because the provider sends one body
	// under several names.
	beside []string
}

// Describe fills in what e says of itself.
func (i *identity) Describe(_ *http.Request, e *webhook.Event) {
	e.SignedHeaders = slices.Clone(i.signedHeaders)
	e.Type, e.TypeSigned, _ = i.find(i.typ, e, true)
	var many bool
	e.ID, e.IDSigned, many = i.find(i.id, e, false)
	e.Key = i.key(e, many)
}

// find returns the value at s, and whether the signature covers it. many is true where several values were found and none chosen.
func (i *identity) find(s Source, e *webhook.Event, uniform bool) (value string, signed, many bool) {
	if s.Header != "" {
		if value := e.Header.Get(s.Header); value != "" && len(value) <= maxText {
			return value, slices.Contains(i.signedHeaders, textproto.CanonicalMIMEHeaderKey(s.Header)), false
		}
	}
	for _, place := range s.JSON {
		if value, several := collect(e.Body, place, uniform); value != "" || several {
			return value, i.bodySigned && value != "", several
		}
	}
	if len(s.Form) > 0 {
		form, err := parseForm(e.Body)
		if err != nil {
			return "", false, false
		}
		for _, name := range s.Form {
			if value := form.Get(name); value != "" && len(value) <= maxText {
				return value, i.bodySigned, false
			}
		}
	}
	return "", false, false
}

// collect returns the one value at place. Of several values it returns the common one when uniform is asked for, else none.
func collect(body []byte, place string, uniform bool) (value string, several bool) {
	if first, second, ok := strings.Cut(place, "+"); ok {
		a, _ := collect(body, first, uniform)
		b, _ := collect(body, second, uniform)
		if a == "" || b == "" {
			return a + b, false
		}
		return a + "." + b, false
	}
	for raw := range members(body, place) {
		next := text(raw)
		switch {
		case value == "" && !several:
			value = next
		case !uniform || next != value:
			value, several = "", true
		}
		if several {
			break
		}
	}
	return value, several
}

// key returns what makes e the same event as another: see webhook.Event.Key.
func (i *identity) key(e *webhook.Event, many bool) webhook.Key {
	if many || len(i.batch) > 0 {
		if parts := i.batchParts(e.Body); parts != nil {
			return webhook.NewKey(i.provider, parts...)
		}
	}
	if e.ID != "" && (e.IDSigned || i.bearer) {
		return webhook.NewKey(i.provider, []byte("id"), []byte(e.ID))
	}
	if i.unique || i.dated != "" && member(e.Body, i.dated) == "" {
		e.Repeatable = true
		return webhook.Key{}
	}
	parts := [][]byte{[]byte("body"), e.Body}
	if i.timeInKey {
		parts = append(parts, strconv.AppendInt(nil, e.SentAt.UnixNano(), 10))
	}
	for _, name := range i.beside {
		parts = append(parts, []byte(e.Header.Get(name)))
	}
	return webhook.NewKey(i.provider, parts...)
}

// batchParts returns the ids of a batch, each kind behind its place and in the batch's order; nil where there are none.
func (i *identity) batchParts(body []byte) [][]byte {
	parts := [][]byte{[]byte("batch")}
	places := i.batch
	if len(places) == 0 {
		places = i.id.JSON
	}
	found := false
	for _, place := range places {
		parts = append(parts, []byte(place))
		for raw := range members(body, place) {
			parts, found = append(parts, raw), true
		}
	}
	if !found {
		return nil
	}
	return parts
}
