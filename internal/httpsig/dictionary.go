package httpsig

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Member is a member of a dictionary: an item or an inner list, with parameters.
type Member struct {
	Key    string
	IsList bool
	Item   Item
	List   []ListItem
	Params Params
}

// ListItem is an item of an inner list.
type ListItem struct {
	Item   Item
	Params Params
}

// AppendList appends the inner list and its parameters.
func (m *Member) AppendList(b []byte) []byte {
	b = append(b, '(')
	for i, item := range m.List {
		if i > 0 {
			b = append(b, ' ')
		}
		b = item.Params.AppendTo(item.Item.AppendTo(b))
	}
	return m.Params.AppendTo(append(b, ')'))
}

// Covers reports whether name is in the list, as a string without parameters.
func (m *Member) Covers(name string) bool {
	for i := range m.List {
		if c := &m.List[i]; c.Item.Kind == String && c.Item.Text == name && len(c.Params) == 0 {
			return true
		}
	}
	return false
}

// Dictionary is a dictionary that was read, in memory that is used again: members are valid until the next one is read. Its zero value
// is ready and empty. It is not safe for concurrent use.
type Dictionary struct {
	Members []Member

	items   []ListItem // of all lists
	params  []Param    // of all members and items
	content []byte     // of all byte sequences
}

// ErrField is what Parse returns for a field that is no dictionary, or too large a one.
var ErrField = errors.New("not a structured field")

const (
	maxMembers = 64  // of a dictionary, of an inner list, and parameters of one of them
	maxTotal   = 512 // items, and parameters, of the whole dictionary
)

// Parse reads the lines of one header field. A key that is given twice is refused, where the RFC lets the last one win: two readers may not
// agree. So is a line of several that is no dictionary by itself, which is allowed (RFC 9651, section 4.2).
func (d *Dictionary) Parse(lines []string) error {
	d.forget()
	for _, line := range lines {
		p := parser{text: line, into: d}
		before := len(d.Members)
		if !p.dictionary() || len(lines) > 1 && len(d.Members) == before {
			d.forget()
			return ErrField
		}
	}
	return nil
}

// Get returns the member with this key, or nil.
func (d *Dictionary) Get(key string) *Member {
	for i := range d.Members {
		if d.Members[i].Key == key {
			return &d.Members[i]
		}
	}
	return nil
}

// forget lets go of the field that was read.
func (d *Dictionary) forget() {
	clear(d.Members)
	clear(d.items)
	clear(d.params)
	d.Members, d.items, d.params, d.content = d.Members[:0], d.items[:0], d.params[:0], d.content[:0]
}

var strict = base64.StdEncoding.Strict()

// decode decodes base64 behind what is decoded already.
func (d *Dictionary) decode(text string) (content []byte, ok bool) {
	if strings.ContainsAny(text, "\r\n") { // which encoding/base64 passes over
		return nil, false
	}
	start := len(d.content)
	var err error
	d.content, err = strict.AppendDecode(d.content, []byte(text))
	return d.content[start:len(d.content):len(d.content)], err == nil
}
