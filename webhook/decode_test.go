package webhook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/webhook"
)

type invoice struct {
	ID     string            `json:"id"`
	Amount int               `json:"amount"`
	Meta   map[string]string `json:"meta"`
}

var decodeRows = []struct {
	name string
	body string
	want *invoice // nil: refused
}{
	{"an object", `{"id":"in_1","amount":5}`, &invoice{ID: "in_1", Amount: 5}},
	{"white space around it", " \r\n{\"id\":\"in_1\"}\n", &invoice{ID: "in_1"}},
	{"unknown members are the provider's future", `{"id":"in_1","new":{"a":[1,2]}}`, &invoice{ID: "in_1"}},
	{"a member of another case is another member", `{"id":"in_1","Amount":5,"AMOUNT":6}`, &invoice{ID: "in_1"}},
	{"a name twice, of which two readers take different ones", `{"amount":1,"amount":2}`, nil},
	{"a name twice by escape", `{"amount":1,"\u0061mount":2}`, nil},
	{"a name twice in a map", `{"meta":{"a":"1","a":"2"}}`, nil},
	{"a name twice in a member that is ignored", `{"new":{"a":1,"a":2}}`, nil},
	{"a byte that is not UTF-8", "{\"id\":\"\xff\"}", nil},
	{"half a surrogate pair", `{"id":"\ud800"}`, nil},
	{"two values", `{"id":"in_1"}{"id":"in_2"}`, nil},
	{"a trailing comma", `{"id":"in_1",}`, nil},
	{"a comment", `{"id":"in_1"/**/}`, nil},
	{"a byte order mark", "\ufeff{}", nil},
	{"NaN", `{"amount":NaN}`, nil},
	{"a number that does not fit", `{"amount":1e400}`, nil},
	{"a fraction for an integer", `{"amount":1.5}`, nil},
	{"a string for a number", `{"amount":"5"}`, nil},
	{"half an object", `{"id":"in_1"`, nil},
	{"nothing", ``, nil},
}

func TestDecodeIsStrict(t *testing.T) {
	for _, tt := range decodeRows {
		t.Run(tt.name, func(t *testing.T) {
			got, err := webhook.Decode[invoice](webhook.Event{Body: []byte(tt.body)})
			if tt.want == nil {
				if !errors.Is(err, webhook.ErrPayload) || !reflect.DeepEqual(got, invoice{}) {
					t.Errorf("Decode = %+v, %v; want nothing and ErrPayload", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, *tt.want) {
				t.Errorf("Decode = %+v, %v; want %+v", got, err, *tt.want)
			}
		})
	}
}

func TestForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name        string
		contentType string
		body        string
		want        url.Values
	}{
		{"pairs", form, "a=1&a=2&b=%20", url.Values{"a": {"1", "2"}, "b": {" "}}},
		{"a charset", form + "; charset=utf-8", "a=1", url.Values{"a": {"1"}}},
		{"a malformed escape", form, "a=1&b=%zz", nil},
		{"a semicolon, which some readers take for a separator", form, "a=1;b=2", nil},
		{"another media type", "application/json", "a=1", nil},
		{"no media type", "", "a=1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := webhook.Event{Body: []byte(tt.body), Header: http.Header{"Content-Type": {tt.contentType}}}
			got, err := webhook.Form(e)
			if tt.want == nil {
				if !errors.Is(err, webhook.ErrPayload) {
					t.Errorf("Form = %v, %v; want ErrPayload", got, err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Form = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, tt := range decodeRows {
		f.Add(tt.body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := webhook.Decode[map[string]any](webhook.Event{Body: []byte(body)})
		if err != nil {
			if !errors.Is(err, webhook.ErrPayload) {
				t.Fatalf("%v does not wrap ErrPayload", err)
			}
			return
		}
		var lax map[string]any
		if err := json.Unmarshal([]byte(body), &lax); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %q: %v", body, err)
		}
		if !reflect.DeepEqual(got, lax) {
			t.Fatalf("%q reads as %v here and as %v there", body, got, lax)
		}
		if strings.Contains(body, "\x00") {
			t.Fatalf("accepted a raw control character: %q", body)
		}
	})
}
