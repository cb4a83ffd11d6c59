package proxy

import "net/http"

// An overlay is what header rules and Handle set for an answer that someone else makes. It is applied last.
type overlay struct {
	ops     []headerOp
	cookies []*http.Cookie
}

// with returns o and what r sets; either may be nothing.
func (o *overlay) with(r *Response) *overlay {
	if len(r.header) == 0 && len(r.cookies) == 0 {
		return o
	}
	if o == nil {
		o = new(overlay)
	}
	o.ops = append(o.ops, r.header...)
	o.cookies = append(o.cookies, r.cookies...)
	return o
}

// apply changes h. A nil overlay changes nothing.
func (o *overlay) apply(h http.Header) {
	if o == nil {
		return
	}
	for _, op := range o.ops {
		op.apply(h)
	}
	for _, c := range o.cookies {
		h["Set-Cookie"] = append(h["Set-Cookie"], c.String())
	}
}
