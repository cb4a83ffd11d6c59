// Package problem writes the application/problem+json answers (RFC 9457) with which gatehouse refuses requests.
package problem

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// Details is a problem details object (RFC 9457, section 3). Only Status is required.
// Everything in it reaches the client: put no cause, secret or internal name in it.
type Details struct {
	Type      string         // URI reference of the problem type; empty means about:blank, and Title is then the status text
	Title     string         // short summary that does not change between occurrences; empty means the status text
	Status    int            // HTTP status, 400 to 599
	Detail    string         // explanation that helps the client mend its request; often empty
	RequestID string         // empty means the id in the request's context, if any
	Members   map[string]any // extension members; names that are already members of the object are ignored
}

// Error answers with the status that err asks for ([refusal.Status]) and a fixed title. The text of err is not sent.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	Write(w, r, Details{Status: refusal.Status(err)})
}

// Write answers with d. It must be the first write to w.
//
// The answer is not cacheable and not sniffable. Header fields that describe a representation prepared by someone
// else (Content-Encoding, Content-Length, ETag, Last-Modified and the like) are removed; others set before, such as
// Allow, Retry-After or Vary, stay.
func Write(w http.ResponseWriter, r *http.Request, d Details) {
	if d.Status < 400 || d.Status > 599 {
		d.Status = http.StatusInternalServerError
	}
	h := w.Header()
	for _, name := range [...]string{"Content-Encoding", "Content-Range", "Content-Disposition", "Accept-Ranges", "Etag", "Last-Modified", "Expires"} {
		delete(h, name)
	}
	body := d.encode(r)
	h["Content-Type"] = []string{"application/problem+json"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if d.Status == http.StatusRequestTimeout || d.Status == http.StatusRequestEntityTooLarge {
		h["Connection"] = []string{"close"} // what is left of the request is not read (RFC 9110, sections 15.5.9 and 15.5.14)
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(body) //nolint:gosec // JSON, and marked so; the client is gone if this fails: nothing is left to tell it
}

func (d Details) encode(r *http.Request) []byte {
	if d.Title == "" {
		d.Title = statusText(d.Status)
	}
	if d.RequestID == "" && r != nil {
		d.RequestID = requestid.From(r.Context())
	}
	if name, list, ok := d.onlyList(); ok || len(d.Members) == 0 {
		return d.plain(name, list)
	}
	members := make(map[string]any, len(d.Members)+5)
	maps.Copy(members, d.Members)
	for name, value := range map[string]string{"type": d.Type, "detail": d.Detail, "request_id": d.RequestID} {
		delete(members, name)
		if value != "" {
			members[name] = value
		}
	}
	members["title"] = d.Title
	members["status"] = d.Status
	body, err := json.Marshal(members)
	if err != nil { // an extension member that JSON cannot say: answer without the extensions
		return d.plain("", nil)
	}
	return append(body, '\n')
}

// onlyList returns the extension member where it is one alone and a list of texts.
func (d *Details) onlyList() (name string, list []string, ok bool) {
	if len(d.Members) != 1 {
		return "", nil, false
	}
	for name = range d.Members {
		list, ok = d.Members[name].([]string)
	}
	switch name {
	case "type", "title", "status", "detail", "request_id":
		return "", nil, false
	}
	return name, list, ok && len(list) > 0
}

// plain encodes the standard members and perhaps one list, in one allocation: refusals are what a flood makes a server write.
func (d Details) plain(name string, list []string) []byte {
	size := 64 + len(d.Detail) + len(d.RequestID) + len(d.Title) + len(d.Type) + len(name)
	for _, text := range list {
		size += len(text) + 3
	}
	b := make([]byte, 0, size)
	b = append(b, '{')
	for _, member := range [...]struct{ name, value string }{
		{"detail", d.Detail}, {"request_id", d.RequestID}, {"status", ""}, {"title", d.Title}, {"type", d.Type},
	} {
		if len(list) > 0 && name < member.name {
			b, list = appendList(b, name, list), nil
		}
		switch {
		case member.name == "status":
			b = append(b, `"status":`...)
			b = append(strconv.AppendInt(b, int64(d.Status), 10), ',')
		case member.value != "":
			b = append(appendString(b, member.name), ':')
			b = append(appendString(b, member.value), ',')
		}
	}
	if len(list) > 0 {
		b = appendList(b, name, list)
	}
	b[len(b)-1] = '}'
	return append(b, '\n')
}

// appendList appends a member that is a list, and a comma.
func appendList(b []byte, name string, list []string) []byte {
	b = append(appendString(b, name), ":["...)
	for _, text := range list {
		b = append(appendString(b, text), ',')
	}
	b[len(b)-1] = ']'
	return append(b, ',')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) //nolint:errchkjson // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	if status >= 500 {
		return "Server Error"
	}
	return "Client Error"
}
