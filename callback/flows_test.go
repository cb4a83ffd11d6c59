package callback_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func flows(tb testing.TB) *callback.Flows {
	tb.Helper()
	f, err := callback.NewFlows(callback.FlowsConfig{Keys: keyring(tb, secret(1))})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// jar keeps what answers set, without a server.
type jar map[string]string

func (j jar) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
}

func (j jar) request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (j jar) begin(t *testing.T, f *callback.Flows, data string) string {
	t.Helper()
	w := httptest.NewRecorder()
	state, err := f.Begin(w, j.request(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	j.take(w)
	return state
}

func (j jar) finish(f *callback.Flows, state string) (string, error) {
	w := httptest.NewRecorder()
	data, err := f.Finish(w, j.request(), state)
	j.take(w)
	return string(data), err
}

func TestFlowFinishesOnceInItsBrowser(t *testing.T) {
	f, mine, other := flows(t), jar{}, jar{}
	state := mine.begin(t, f, "data")
	if len(state) != 22 {
		t.Errorf("state %q", state)
	}
	if _, err := other.finish(f, state); !errors.Is(err, callback.ErrOtherBrowser) {
		t.Errorf("another browser: %v", err)
	}
	for _, s := range []string{"", state[:21], state + "A", state[:10] + "\n" + state[10:], "AAAAAAAAAAAAAAAAAAAAAA"} {
		if _, err := mine.finish(f, s); !errors.Is(err, callback.ErrOtherBrowser) {
			t.Errorf("state %q: %v", s, err)
		}
	}
	if data, err := f.Peek(mine.request(), state); string(data) != "data" || err != nil {
		t.Errorf("Peek = %q, %v", data, err)
	}
	kept := maps.Clone(mine)
	if data, err := mine.finish(f, state); data != "data" || err != nil || len(mine) != 0 {
		t.Errorf("Finish = %q, %v, cookies left: %v", data, err, mine)
	}
	if _, err := kept.finish(f, state); !errors.Is(err, callback.ErrUsed) || len(kept) != 0 {
		t.Errorf("with a kept cookie: %v, %v", err, kept)
	}
}

func TestStateCarriesItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := flows(t)
		begin := func(j jar, target string) string {
			t.Helper()
			w := httptest.NewRecorder()
			state, err := f.BeginFor(w, j.request(), []byte("data"), target)
			if err != nil {
				t.Fatal(err)
			}
			j.take(w)
			return state
		}
		mine := jar{}
		state, other := begin(mine, "/inbox"), begin(jar{}, "/other")
		if got := f.Target(state); got != "/inbox" {
			t.Errorf("target %q", got)
		}
		for name, wrong := range map[string]string{
			"none": "", "its id alone": state[:22], "cut off": state[:len(state)-1], "longer": state + "A",
			"the target of another": state[:22] + other[22:], "no target": begin(jar{}, ""), "a target that is too long": begin(jar{}, "/"+strings.Repeat("a", 256)),
		} {
			if got := f.Target(wrong); got != "" {
				t.Errorf("%s: target %q", name, got)
			}
			if _, err := mine.finish(f, wrong); !errors.Is(err, callback.ErrOtherBrowser) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(begin(jar{}, "/"+strings.Repeat("a", 255))); n != 408 {
			t.Errorf("the longest state has %d characters", n)
		}
		if data, err := mine.finish(f, state); data != "data" || err != nil {
			t.Errorf("Finish = %q, %v", data, err)
		}
		time.Sleep(48 * time.Hour)
		if got := f.Target(state); got != "/inbox" {
			t.Errorf("target after two days: %q", got)
		}
	})
}

func TestPrefetchNeitherBeginsNorEndsAFlow(t *testing.T) {
	f, j := flows(t), jar{}
	state := j.begin(t, f, "data")
	for name, value := range map[string]string{"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Purpose": "preview", "X-Moz": "Prefetch"} {
		r, w := j.request(), httptest.NewRecorder()
		r.Header.Set(name, value)
		if _, err := f.Begin(w, r, nil); !errors.Is(err, callback.ErrPrefetch) || len(w.Header()) != 0 {
			t.Errorf("%s: Begin: %v, %v", name, err, w.Header())
		}
		if _, err := f.Finish(w, r, state); !errors.Is(err, callback.ErrPrefetch) || len(w.Header()) != 0 {
			t.Errorf("%s: Finish: %v, %v", name, err, w.Header())
		}
	}
	if _, err := j.finish(f, state); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCookieOfOneFlowDoesNotFinishAnother(t *testing.T) {
	f, j := flows(t), jar{}
	first := j.begin(t, f, "first")
	var firstName, firstValue string
	for firstName, firstValue = range j {
	}
	second := j.begin(t, f, "second")
	for name := range j {
		if name != firstName {
			j[name] = firstValue
		}
	}
	if _, err := j.finish(f, second); !errors.Is(err, callback.ErrOtherBrowser) {
		t.Errorf("a cookie under another flow's name: %v", err)
	}
	if _, err := j.finish(f, first); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestFlowCookie(t *testing.T) {
	w := httptest.NewRecorder()
	state, err := flows(t).Begin(w, httptest.NewRequest("GET", "/", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	line := w.Header().Get("Set-Cookie")
	if !strings.HasPrefix(line, "__Host-flow-") || !strings.HasSuffix(line, "; Path=/; Max-Age=4200; HttpOnly; Secure; SameSite=Lax") || strings.Contains(line, state) {
		t.Errorf("Set-Cookie: %s", line)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("header: %v", w.Header())
	}
}

func TestAbandonedFlowsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := flows(t), jar{"__Host-flow-0123456789abcdef": "x", "other": "y"}
		var states []string
		for i := range 20 {
			states = append(states, j.begin(t, f, fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		if len(j) != 7 || j["other"] != "y" {
			t.Errorf("%d cookies: %v", len(j), j)
		}
		for i, state := range states {
			_, err := f.Peek(j.request(), state)
			if (err == nil) != (i >= 14) {
				t.Errorf("flow %d of 20: %v", i, err)
			}
		}
	})
}

func TestKindsOfFlowsWhoseNamesBeginAlike(t *testing.T) {
	short, j := flows(t), jar{}
	long, err := callback.NewFlows(callback.FlowsConfig{Keys: keyring(t, secret(1)), Name: "flow-mail"})
	if err != nil {
		t.Fatal(err)
	}
	state := j.begin(t, long, "mail")
	for range 10 {
		j.begin(t, short, "other")
	}
	if _, err := long.Peek(j.request(), state); err != nil {
		t.Errorf("flows of another kind dropped it: %v", err)
	}
}

func TestLargeFlowsAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := flows(t), jar{}
		for range 5 {
			j.begin(t, f, strings.Repeat("a", 900))
			time.Sleep(time.Second)
		}
		size := 0
		for name, value := range j {
			size += len(name) + len(value)
		}
		if len(j) != 2 || size > 3500 {
			t.Errorf("%d cookies of %d bytes", len(j), size)
		}
		if _, err := f.Begin(httptest.NewRecorder(), j.request(), make([]byte, 2700)); !errors.Is(err, callback.ErrCookieTooLarge) {
			t.Errorf("2700 bytes: %v", err)
		}
	})
}

func TestFlowExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := flows(t), jar{}
		state := j.begin(t, f, "data")
		time.Sleep(10 * time.Minute)
		if data, err := j.finish(f, state); !errors.Is(err, callback.ErrExpired) || data != "data" || len(j) != 0 {
			t.Errorf("%q, %v, %v", data, err, j)
		}
	})
}

func TestUsedStatesAreForgottenWithTheirFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := flows(t), jar{}
		state := j.begin(t, f, "data")
		if _, err := j.finish(f, state); err != nil {
			t.Fatal(err)
		}
		time.Sleep(80 * time.Minute)
		if _, err := j.finish(f, state); !errors.Is(err, callback.ErrOtherBrowser) {
			t.Errorf("%v", err)
		}
		if _, err := j.finish(f, j.begin(t, f, "data")); err != nil { // the old mark goes when the new one comes
			t.Error(err)
		}
	})
}

func TestOneOfManyFinishesAtOnceWins(t *testing.T) {
	f, j := flows(t), jar{}
	for range 50 {
		state := j.begin(t, f, "data")
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			r := j.request()
			wg.Go(func() {
				_, err := f.Finish(httptest.NewRecorder(), r, state)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, callback.ErrUsed) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d won", won.Load())
		}
	}
}

func TestNewFlowsReportsEveryMistake(t *testing.T) {
	_, err := callback.NewFlows(callback.FlowsConfig{Name: "a b", Lifetime: time.Millisecond})
	if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != 3 {
		t.Errorf("%d mistakes: %v", n, err)
	}
}

func ExampleNewFlows() {
	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@"))
	if err != nil {
		panic(err)
	}
	flows, err := callback.NewFlows(callback.FlowsConfig{Keys: keys, Name: "import"})
	if err != nil {
		panic(err)
	}
	begun := httptest.NewRecorder()
	state, err := flows.Begin(begun, httptest.NewRequest("GET", "/import", nil), []byte("album 7"))
	if err != nil {
		panic(err)
	}

	back := httptest.NewRequest("GET", "/import/done?state="+state, nil)
	back.AddCookie(begun.Result().Cookies()[0])
	data, err := flows.Finish(httptest.NewRecorder(), back, state)
	fmt.Printf("%s %v\n", data, err)
	_, err = flows.Finish(httptest.NewRecorder(), back, state)
	fmt.Println(err)
	// Output:
	// album 7 <nil>
	// callback: ticket or flow was used before
}
