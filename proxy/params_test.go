package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/gatehouse-go/gatehouse/proxy"
)

func TestParamsOfPath(t *testing.T) {
	p, err := proxy.PatternOptions{Reading: proxy.ReadingSource}.Compile("/:a/:b?/x/:c*")
	if err != nil {
		t.Fatal(err)
	}
	params, _ := p.Match("/1/x/2/3")
	for _, row := range []struct {
		name, param, get string
		there            bool
		values           []string
	}{
		{"one value", "a", "1", true, []string{"1"}},
		{"an absent value", "b", "", false, nil},
		{"a list is joined as it was in the path", "c", "2/3", true, []string{"2", "3"}},
		{"a parameter that the pattern does not have", "d", "", false, nil},
	} {
		got, there := params.Get(row.param)
		if values := params.Values(row.param); got != row.get || there != row.there || !slices.Equal(values, row.values) {
			t.Errorf("%s: got %q, %v, %q", row.name, got, there, values)
		}
	}
	var names []string
	for name := range params.All() {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{"a", "c"}) {
		t.Errorf("All yields %q", names)
	}
	for name := range params.All() {
		if name != "a" {
			t.Errorf("All goes on to %s when told to stop", name)
		}
		break
	}
}

func TestManyParams(t *testing.T) {
	p, err := proxy.PatternOptions{Reading: proxy.ReadingPath}.Compile("/:a/:b/:c/:d/:e/:f/:g/:h?{.:i}*")
	if err != nil {
		t.Fatal(err)
	}
	params, ok := p.Match("/1/2/3/4/5/6/7/8.x.y")
	if got, _ := json.Marshal(params); !ok || string(got) != `{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8","i":["x","y"]}` {
		t.Errorf("got %s, %v", got, ok)
	}
	if got, _ := params.Get("i"); got != "x.y" || !slices.Equal(params.Values("i"), []string{"x", "y"}) {
		t.Errorf("a late list: %q, %q", got, params.Values("i"))
	}
}

func TestNewParams(t *testing.T) {
	list := []string{"x", "y"}
	params, err := proxy.NewParams(map[string]any{"b": list, "a": "1", "c": []string{}})
	if err != nil {
		t.Fatal(err)
	}
	list[0] = "changed"
	if got, _ := json.Marshal(params); string(got) != `{"a":"1","b":["x","y"],"c":[]}` {
		t.Errorf("got %s", got)
	}
	if got, there := params.Get("b"); got != "x/y" || !there {
		t.Errorf("Get of a list: %q, %v", got, there)
	}
	if got, there := params.Get("a"); got != "1" || !there {
		t.Errorf("Get of a value: %q, %v", got, there)
	}
	params.Values("b")[0] = "changed"
	if got := params.Values("b"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("Values lets its list be changed: %q", got)
	}
	if got := params.Values("a"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("Values of one value: %q", got)
	}
	for name, v := range params.All() {
		if name == "a" {
			continue
		}
		v.([]string)[0] = "changed"
		break
	}
	if got := params.Values("b"); got[0] != "x" {
		t.Errorf("All lets its list be changed: %q", got)
	}
	if _, err := proxy.NewParams(map[string]any{"a": 1}); err == nil {
		t.Error("a number is taken for a parameter")
	}
	if got, _ := json.Marshal(proxy.Params{}); string(got) != `{}` {
		t.Errorf("the zero value: got %s", got)
	}
}

// A query parameter that comes twice is a list, and its values are escaped in a path like those of one that comes once.
func TestListsOfConditionsAreEscaped(t *testing.T) {
	p, err := proxy.New(proxy.Config{Redirects: []proxy.RedirectRule{{Source: "/go", Destination: "/x/:to", Has: has("query", "to", "")}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"to=a/b%3Fc", "to=1&to=a/b%3Fc"} {
		w := httptest.NewRecorder()
		p.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/go?"+query, nil))
		if got, want := w.Header().Get("Location"), "/x/a%2Fb%3Fc?"+query; got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}
