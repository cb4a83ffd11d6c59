package callback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

func memoryMarks(tb testing.TB, size int) *callback.MemoryMarks {
	tb.Helper()
	m, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: size})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMemoryMarksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memoryMarks(t, 3)
		for i := range 5 { // the first ones are kept longest
			if first, err := m.Spend(t.Context(), fmt.Sprint(i), time.Hour-time.Duration(i)*time.Minute); !first || err != nil {
				t.Error(i, first, err)
			}
		}
		for i, want := range []bool{true, true, false, false, true} {
			if got, _ := m.Spent(t.Context(), fmt.Sprint(i)); got != want {
				t.Errorf("%d is remembered: %v", i, got)
			}
		}
		for range 10 { // what is released makes room
			if first, _ := m.Spend(t.Context(), "again", time.Hour); !first {
				t.Error("a released name was not first")
			}
			_ = m.Release(t.Context(), "again")
		}
		if got, _ := m.Spent(t.Context(), "0"); !got {
			t.Error("released marks pushed out another")
		}
		time.Sleep(time.Hour)
		if got, _ := m.Spent(t.Context(), "0"); got {
			t.Error("not forgotten after its time")
		}
	})
	if _, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: -1}); err == nil {
		t.Error("a negative bound was accepted")
	}
}

// downMarks fails once it is down.
type downMarks struct {
	callback.MarkStore
	spend, spent, release bool
}

var errMarks = errors.New("marks are out")

func (d *downMarks) Spend(ctx context.Context, name string, keep time.Duration) (bool, error) {
	if d.spend {
		return false, errMarks
	}
	return d.MarkStore.Spend(ctx, name, keep)
}

func (d *downMarks) Spent(ctx context.Context, name string) (bool, error) {
	if d.spent {
		return false, errMarks
	}
	return d.MarkStore.Spent(ctx, name)
}

func (d *downMarks) Release(ctx context.Context, name string) error {
	if d.release {
		return errMarks
	}
	return d.MarkStore.Release(ctx, name)
}

func TestWhatCannotBeMarkedIsNotRedeemed(t *testing.T) {
	for name, down := range map[string]*downMarks{"at the start": {spent: true}, "when it is redeemed": {spend: true}} {
		for _, confirm := range []*callback.Confirm{nil, {}} {
			third := &tickets{good: map[string]string{"t1": "ana"}}
			var log strings.Builder
			c := config(t, third)
			down.MarkStore = memoryMarks(t, 100)
			c.Marks, c.Confirm, c.Logger = down, confirm, logTo(&log)
			b := site(t, c)
			back := begin(t, b, "/login", "t1")
			got := b.Open(back)
			if got.StatusCode == 200 { // the page with the button
				_, query, _ := strings.Cut(back, "?")
				form, err := url.ParseQuery(query)
				if err != nil {
					t.Fatal(err)
				}
				got = b.Post("/callback", form)
			}
			if got.StatusCode != 503 || third.redeemed.Load() != 0 || strings.Contains(got.Text, "marks are") || !strings.Contains(log.String(), errMarks.Error()) {
				t.Errorf("%s: %d %s\nlog: %s", name, got.StatusCode, got.Text, &log)
			}
		}
	}
	f, err := callback.NewFlows(callback.FlowsConfig{Keys: keyring(t, secret(1)), Marks: &downMarks{MarkStore: memoryMarks(t, 1), spend: true, spent: true}})
	if err != nil {
		t.Fatal(err)
	}
	mine, other := jar{}, jar{}
	state := mine.begin(t, f, "data")
	for name, j := range map[string]jar{"its browser": mine, "another": other} {
		if _, err := j.finish(f, state); !errors.Is(err, callback.ErrStore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(mine) != 1 {
		t.Error("the flow's cookie was dropped")
	}
}

func TestMarkThatIsNotReleasedIsLogged(t *testing.T) {
	var log strings.Builder
	c := config(t, &tickets{})
	c.Marks, c.Logger = &downMarks{MarkStore: memoryMarks(t, 100), release: true}, logTo(&log)
	b := site(t, c)
	if got := b.Open(begin(t, b, "/login", "unknown")); got.StatusCode != 400 || strings.Count(log.String(), errMarks.Error()) != 2 || strings.Contains(log.String(), "unknown") {
		t.Errorf("%d\n%s", got.StatusCode, &log)
	}
}

// TestOneOfSeveralProcessesRedeems has two processes with the same keys and marks take the same return at once.
func TestOneOfSeveralProcessesRedeems(t *testing.T) {
	third := &tickets{good: map[string]string{}}
	entered, leave := make(chan struct{}), make(chan struct{})
	c := config(t, third)
	c.Marks = memoryMarks(t, 100)
	c.Redeem = func(context.Context, string) (user, error) {
		close(entered) // panics where it is called twice
		<-leave
		return user{"ana"}, nil
	}
	one, err := callback.New(c)
	if err != nil {
		t.Fatal(err)
	}
	two, err := callback.New(c)
	if err != nil {
		t.Fatal(err)
	}
	j, w := jar{}, httptest.NewRecorder()
	params, err := one.Start(w, httptest.NewRequest("GET", "/login", nil))
	if err != nil {
		t.Fatal(err)
	}
	j.take(w)
	back := func(h http.Handler) int {
		r, w := j.request(), httptest.NewRecorder()
		r.URL.RawQuery = params.Encode() + "&session_token=t1"
		h.ServeHTTP(w, r)
		return w.Code
	}
	first := make(chan int)
	go func() { first <- back(one) }()
	<-entered
	if got := back(two); got != 410 {
		t.Errorf("meanwhile at the other: %d", got)
	}
	close(leave)
	if got := <-first; got != 303 {
		t.Errorf("the first: %d", got)
	}
	if got := back(two); got != 410 {
		t.Errorf("afterwards at the other: %d", got)
	}
}

func ExampleNewMemoryMarks() {
	marks, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: 10_000})
	if err != nil {
		panic(err)
	}
	for range 2 {
		first, err := marks.Spend(context.Background(), "coupon:4711", 24*time.Hour)
		fmt.Println(first, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
