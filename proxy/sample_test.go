package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/internal/sample"
	"github.com/gatehouse-go/gatehouse/proxy"
)

// rows reads a sample file line by line.
func rows[T any](t *testing.T, name string, each func(row T, line string)) {
	t.Helper()
	data, err := os.ReadFile(sample.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		each(row, lines.Text())
	}
}

type matcherRow struct {
	Layer, Path, Error string
	Pattern            json.RawMessage
	Options            map[string]bool
	NextConfig         struct {
		BasePath string
		I18n     struct{ Locales []string }
	}
	Match   bool
	Params  json.RawMessage
	Has     []proxy.Condition
	Missing []proxy.Condition
	Headers map[string]string
	Query   map[string]any
}

// pattern returns the row's pattern and how the row reads it.
func (row matcherRow) pattern() (string, proxy.PatternOptions) {
	source := struct {
		Source string
		Locale *bool
	}{}
	if json.Unmarshal(row.Pattern, &source.Source) != nil {
		_ = json.Unmarshal(row.Pattern, &source)
	}
	o := proxy.PatternOptions{BasePath: row.NextConfig.BasePath, Locales: row.NextConfig.I18n.Locales, NoLocale: source.Locale != nil}
	switch row.Layer {
	case "config":
		o.Reading = proxy.ReadingSource
	case "config-sensitive":
		o.Reading, o.Case = proxy.ReadingSource, proxy.CaseSensitive
	case "config-redirect":
		o.Reading, o.Excluded = proxy.ReadingSource, []string{"/_next"}
	case "p2r":
		o.Reading, o.Strict = proxy.ReadingPath, row.Options["strict"]
		if end, ok := row.Options["end"]; ok {
			o.Prefix = !end
		}
		if row.Options["sensitive"] {
			o.Case = proxy.CaseSensitive
		}
	}
	return source.Source, o
}

func (row matcherRow) request() *http.Request {
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Path: "/"}}
	for name, value := range row.Headers {
		if r.Header.Set(name, value); name == "host" {
			r.Host = value
		}
	}
	values := url.Values{}
	for name, v := range row.Query {
		if one, ok := v.(string); ok {
			values.Add(name, one)
		}
		list, _ := v.([]any)
		for _, one := range list {
			values.Add(name, one.(string))
		}
	}
	r.URL.RawQuery = values.Encode()
	return r
}

// TestSampleMatcherRows holds every row of the sample against what path-to-regexp 6.3 and Next.js 16 answered.
func TestSampleMatcherRows(t *testing.T) {
	rows(t, "proxy-matcher.jsonl", func(row matcherRow, line string) {
		var params proxy.Params
		var matched bool
		if row.Layer == "has" {
			c, err := proxy.CompileConditions(row.Has, row.Missing)
			if err != nil {
				t.Errorf("%v: %s", err, line)
				return
			}
			params, matched = c.Match(row.request())
		} else {
			source, o := row.pattern()
			p, err := o.Compile(source)
			if (err != nil) != (row.Error != "") {
				t.Errorf("error %v: %s", err, line)
			}
			if err != nil {
				return
			}
			params, matched = p.Match(row.Path)
			if decoded, err := url.PathUnescape(row.Path); !matched && row.Layer == "proxy-server" && err == nil && utf8.ValidString(decoded) {
				_, matched = p.Match(decoded)
			}
		}
		if matched != row.Match {
			t.Errorf("got %v: %s", matched, line)
		}
		if got, _ := json.Marshal(params); string(row.Params) != "null" && !sameJSON(got, row.Params) {
			t.Errorf("got %s: %s", got, line)
		}
	})
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

type destinationRow struct {
	Kind, Source, Destination, Path, Query, Value string
	Params                                        map[string]any
	Result, Error                                 string
}

func (row destinationRow) expand(t *testing.T) (string, error) {
	t.Helper()
	var params proxy.Params
	if row.Kind == "header-value" {
		values := map[string]any{}
		for name, v := range row.Params {
			if list, ok := v.([]any); ok {
				texts := make([]string, len(list))
				for i := range list {
					texts[i] = list[i].(string)
				}
				v = texts
			}
			values[name] = v
		}
		var err error
		if params, err = proxy.NewParams(values); err != nil {
			t.Fatal(err)
		}
		template, err := proxy.CompileTemplate(row.Value, present(params))
		if err != nil {
			return "", err
		}
		return template.Expand(params), nil
	}
	p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile(row.Source)
	if err != nil {
		t.Fatal(err)
	}
	params, _ = p.Match(row.Path)
	d, err := proxy.CompileDestination(row.Destination, proxy.DestinationOptions{
		Params: present(params), InsecureAnyHost: true, AppendParams: row.Kind == "rewrite", MergeSlashes: row.Kind == "redirect", Verbatim: true,
	})
	if err != nil {
		return "", err
	}
	_, query, _ := strings.Cut(row.Path+row.Query, "?")
	target, err := d.Expand(params, query)
	result, sep := target.Origin+target.Path, "?"
	for _, q := range target.Query {
		for _, v := range q.Values {
			result, sep = result+sep+q.Name+"="+v, "&"
		}
	}
	if target.Fragment != "" {
		result += "#" + target.Fragment
	}
	return result, err
}

// present says of parameters that a rule always has them.
func present(params proxy.Params) []proxy.ParamSpec {
	var out []proxy.ParamSpec
	for name, v := range params.All() {
		_, list := v.([]string)
		out = append(out, proxy.ParamSpec{Name: name, Repeated: list})
	}
	return out
}

// TestSampleDestinationRows holds every row of the sample against what Next.js 16 answered.
func TestSampleDestinationRows(t *testing.T) {
	rows(t, "proxy-destination.jsonl", func(row destinationRow, line string) {
		got, err := row.expand(t)
		if (err != nil) != (row.Error != "") || got != row.Result {
			t.Errorf("got %q (%v): %s", got, err, line)
		}
	})
}
