package httpsig

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
)

// ErrBase is, inside, what Base returns where a component has no value that can be signed.
var ErrBase = errors.New("no signature base")

// maxBase is how long a signature base may be: as long as all header fields together, with what is written before each of them.
const maxBase = 4 << 20

// Request is what a signature speaks of.
type Request struct {
	*http.Request

	Target *Target // the query is that of the request as received
	Length int64   // of the body; below 0 where it is not known
}

// Base returns what a signature with this input signs (RFC 9421, section 2.5): a line for each covered component, and the input
// itself. It is valid until the next call.
func (m *Room) Base(input *Member, r Request) ([]byte, error) {
	b := baseBuilder{room: m, request: r, text: m.base[:0]}
	err := b.write(input)
	m.base = b.text
	if err != nil {
		return nil, err
	}
	return b.text, nil
}

// baseBuilder writes one base.
type baseBuilder struct {
	room    *Room
	request Request
	text    []byte
	parsed  bool // room.query is that of the request: it is read once, and not for each component
}

func (b *baseBuilder) write(input *Member) error {
	for i := range input.List {
		c := &input.List[i]
		if c.Item.Kind != String {
			return fmt.Errorf("%w: a component is no string", ErrBase)
		}
		start := len(b.text)
		b.text = c.Params.AppendTo(c.Item.AppendTo(b.text))
		id := b.text[start:]
		for j := range i {
			if c.same(&input.List[j]) {
				return fmt.Errorf("%w: the component %.80s is covered twice", ErrBase, id)
			}
		}
		b.text = append(b.text, ": "...)
		value := len(b.text)
		if err := b.component(c); err != nil {
			return err
		}
		if bytes.ContainsAny(b.text[value:], "\r\n") {
			return fmt.Errorf("%w: the component %.80s has a line break", ErrBase, id)
		}
		if len(b.text) > maxBase {
			return fmt.Errorf("%w: longer than %d bytes", ErrBase, maxBase)
		}
		b.text = append(b.text, '\n')
	}
	b.text = append(b.text, `"@signature-params": `...)
	b.text = input.AppendList(b.text)
	return nil
}

// same reports whether c and an earlier component, which has a value, are one. The only parameter that one with a value has is a name.
func (c *ListItem) same(earlier *ListItem) bool {
	name, _ := c.Params.Get("name")
	other, _ := earlier.Params.Get("name")
	return c.Item.Text == earlier.Item.Text && name.Text == other.Text
}
