package revalidate_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func TestEmittedTagsAreTheSameFromTheHandlerAndFromTheStore(t *testing.T) {
	for _, row := range []struct{ emit, set, value, want string }{
		{"Surrogate-Key", "Surrogate-Key", "b", `a,1 q"\ b`},
		{"Surrogate-Key", "Cache-Tag", "b, c", `a,1 q"\ b c`},
		{"xkey", "X", "", `a,1 q"\`},
		{"Cache-Tag", "Cache-Tag", "b", `q"\,b`},
		{"Cache-Groups", "Cache-Groups", `"b", "with space"`, `"a,1", "q\"\\", "b"`},
	} {
		cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{EmitTags: row.emit}})
		h := cache.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			revalidate.Tag(w, "a,1", `q"\`)
			w.Header().Set(row.set, row.value)
			w.Header().Set("Cache-Control", "max-age=60")
		}))
		for _, where := range []string{"fwd", "hit"} {
			res := ask{}.do(h)
			if got := strings.Join(res.Header.Values(row.emit), " | "); got != row.want || !strings.Contains(res.Header.Get("Cache-Status"), where) {
				t.Errorf("%s, %s: %q, want %q (%s)", row.emit, where, got, row.want, res.Header.Get("Cache-Status"))
			}
		}
	}
}

func TestNoFieldIsEmittedWithoutTags(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{EmitTags: "Cache-Tag"}})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60"))
	for range 2 {
		if lines := (ask{}).do(h).Header["Cache-Tag"]; lines != nil {
			t.Errorf("%q", lines)
		}
	}
}

func TestFieldsOfTagsAreStripped(t *testing.T) {
	cache := newCache(t, revalidate.Config{Responses: revalidate.Responses{StripTags: true}})
	var calls atomic.Int64
	h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Surrogate-Key", "a", "xkey", "b", "Cache-Tag", "c", "Cache-Groups", `"d"`))
	for i, tag := range []string{"a", "b", "c", "d"} {
		for range 2 {
			header := ask{}.do(h).Header
			for _, name := range []string{"Surrogate-Key", "Xkey", "Cache-Tag", "Cache-Groups"} {
				if header[name] != nil {
					t.Errorf("%s is sent to clients", name)
				}
			}
		}
		if err := cache.ExpireTag(context.Background(), tag); err != nil {
			t.Fatal(err)
		}
		ask{}.do(h)
		if got := calls.Load(); got != int64(i+2) {
			t.Errorf("after ExpireTag of %s: %d calls", tag, got)
		}
	}
}

func TestCacheGroupsAreBounded(t *testing.T) {
	for _, row := range []struct {
		name   string
		value  string
		stored bool
	}{
		{"as many as an entry has tags", strings.Repeat(`"with space", `, 127) + `"a"`, true},
		{"more than that", strings.Repeat(`"with space", `, 128) + `"a"`, false},
		{"one as long as a tag", `"` + strings.Repeat("x", 256) + `"`, true},
		{"a longer one", `"` + strings.Repeat("x", 257) + `"`, false},
		{"a field that is no List", strings.Repeat(`"a" `, 200), true},
	} {
		cache := newCache(t, revalidate.Config{Logger: silent()})
		var calls atomic.Int64
		h := cache.Wrap(counting(&calls, "Cache-Control", "max-age=60", "Cache-Groups", row.value))
		ask{}.do(h)
		ask{}.do(h)
		if (calls.Load() == 1) != row.stored {
			t.Errorf("%s: %d calls", row.name, calls.Load())
		}
	}
}
