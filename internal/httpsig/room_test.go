package httpsig_test

import (
	"reflect"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/httpsig"
)

// A room is used again, and neither its next user nor the garbage collector finds anything of the request before.
func TestARoomKeepsNothingOfARequest(t *testing.T) {
	var rooms httpsig.Rooms
	seen := map[*httpsig.Room]bool{}
	again := 0
	for range 1000 { // the race detector has a pool drop some of what it is given
		m := rooms.Begin()
		if seen[m] {
			again++
		}
		seen[m] = true
		if len(m.Inputs.Members) != 0 || len(m.Signatures.Members) != 0 {
			t.Fatalf("a room that is not empty: %+v", m)
		}
		if err := m.Inputs.Parse([]string{`sig1=("@method" "content-digest");keyid="k"`}); err != nil {
			t.Fatal(err)
		}
		if err := m.Signatures.Parse([]string{"sig1=:aGk=:"}); err != nil {
			t.Fatal(err)
		}
		rooms.End(m)
		for name, d := range map[string]httpsig.Dictionary{"Inputs": m.Inputs, "Signatures": m.Signatures} {
			if len(d.Members) != 0 || cap(d.Members) == 0 || !reflect.ValueOf(d.Members[:1][0]).IsZero() {
				t.Fatalf("%s: what was given back has %+v", name, d.Members[:cap(d.Members)])
			}
		}
	}
	if again == 0 {
		t.Error("no room is used again")
	}
}
