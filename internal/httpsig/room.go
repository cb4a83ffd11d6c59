package httpsig

import (
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/urlform"
)

// Room is what the signatures of a request are read and checked in. What it gives is its own, and valid until it is given back; it is not
// safe for concurrent use.
type Room struct {
	Inputs     Dictionary // the field Signature-Input
	Signatures Dictionary // the field Signature

	digests Dictionary
	query   urlform.Form
	base    []byte
	key     []byte // of a field, as net/http keeps it
}

// Rooms keep rooms from one request to the next, so that a check allocates nothing. What is kept is as large as the largest request made
// it, within the bounds of this package and of the server on header fields, and the garbage collector takes back what lies unused. The
// zero value is ready. It is safe for concurrent use.
type Rooms struct{ free sync.Pool }

// Begin returns a room, which End takes back.
func (r *Rooms) Begin() *Room {
	if m, ok := r.free.Get().(*Room); ok {
		return m
	}
	return new(Room)
}

// End takes m back. It keeps nothing of the request alive.
func (r *Rooms) End(m *Room) {
	m.Inputs.forget()
	m.Signatures.forget()
	m.digests.forget()
	r.free.Put(m)
}
