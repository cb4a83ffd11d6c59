package callbacktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// TestSessionStore runs the suite that every [callback.SessionStore] must pass, each part on a new store. The stores may share a server,
// as long as they share no records. The parts that wait take about two seconds each.
func TestSessionStore(t *testing.T, open func(t *testing.T) callback.SessionStore) {
	t.Helper()
	suite(t, sessionStoreChecks, open)
}

// suite runs each check on a new store.
func suite[S any](t *testing.T, checks map[string]func(*problems, S), open func(*testing.T) S) {
	t.Helper()
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			if err := judge(t.Context(), check, open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// judge returns what a check finds wrong with a store.
func judge[S any](ctx context.Context, check func(*problems, S), store S) error {
	p := problems{ctx: ctx}
	check(&p, store)
	return errors.Join(p.found...)
}

var sessionStoreChecks = map[string]func(*problems, callback.SessionStore){
	"a record is read back":                       readBack,
	"a record put again is replaced":              replaced,
	"a record that does not exist is not found":   notFound,
	"a deleted record is gone":                    deleted,
	"links find and end what has them":            linked,
	"a record expires":                            expired,
	"an extended record lives on, within its end": extended,
	"data is replaced in place":                   dataReplaced,
	"nothing revives a deleted record":            notRevived,
	"the store shares no memory":                  notShared,
	"concurrent use":                              concurrent,
}

// problems gathers what a part of the suite finds wrong.
type problems struct {
	ctx   context.Context //nolint:containedctx // of one part, which is over when its problems are read
	mu    sync.Mutex
	found []error
}

func (p *problems) add(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = append(p.found, fmt.Errorf(format, args...))
}

// none notes err, if there is one.
func (p *problems) none(what string, err error) {
	if err != nil {
		p.add("%s: %w", what, err)
	}
}

// record returns a record that lives for lifetime and can be extended to twice that.
func record(id string, lifetime time.Duration, links ...string) callback.SessionRecord {
	now := time.Now().Truncate(time.Millisecond)
	return callback.SessionRecord{ID: id, Links: links, Data: []byte(`{"id":"` + id + `"}`), Created: now, Expires: now.Add(lifetime), Ends: now.Add(2 * lifetime)}
}

func put(p *problems, s callback.SessionStore, records ...callback.SessionRecord) {
	for _, r := range records {
		p.none("Put", s.Put(p.ctx, r))
	}
}

func get(p *problems, s callback.SessionStore, id string) (callback.SessionRecord, bool) {
	r, found, err := s.Get(p.ctx, id)
	p.none("Get", err)
	return r, found
}

func wantFound(p *problems, s callback.SessionStore, id string, want bool) {
	if _, found := get(p, s, id); found != want {
		p.add("record %s found: %v, want %v", id, found, want)
	}
}

func readBack(p *problems, s callback.SessionStore) {
	want := record("a", time.Hour, "user:1", "sid:\x00 odd/link")
	put(p, s, want)
	got, found := get(p, s, "a")
	if !found || got.ID != want.ID || string(got.Data) != string(want.Data) || !slices.Equal(got.Links, want.Links) {
		p.add("got %+v, %v, want %+v", got, found, want)
	}
	for name, times := range map[string][2]time.Time{"Created": {got.Created, want.Created}, "Expires": {got.Expires, want.Expires}, "Ends": {got.Ends, want.Ends}} {
		if d := times[0].Sub(times[1]).Abs(); d >= time.Second {
			p.add("%s is %v off", name, d)
		}
	}
}

func replaced(p *problems, s callback.SessionStore) {
	put(p, s, record("a", time.Hour, "old"))
	again := record("a", time.Hour, "new")
	again.Data = []byte("2")
	put(p, s, again)
	if got, _ := get(p, s, "a"); string(got.Data) != "2" {
		p.add("data: %s", got.Data)
	}
	if n, err := s.DeleteLinked(p.ctx, "old"); n != 0 || err != nil {
		p.add("DeleteLinked of the link from before = %d, %v", n, err)
	}
	wantFound(p, s, "a", true)
}

func notFound(p *problems, s callback.SessionStore) {
	wantFound(p, s, "a", false)
	if list, err := s.ListLinked(p.ctx, "none"); len(list) != 0 || err != nil {
		p.add("ListLinked = %v, %v", list, err)
	}
	if n, err := s.DeleteLinked(p.ctx, "none"); n != 0 || err != nil {
		p.add("DeleteLinked = %d, %v", n, err)
	}
	p.none("Delete", s.Delete(p.ctx, "a"))
}

func deleted(p *problems, s callback.SessionStore) {
	put(p, s, record("a", time.Hour, "x"), record("b", time.Hour, "x"))
	p.none("Delete", s.Delete(p.ctx, "a"))
	wantFound(p, s, "a", false)
	wantFound(p, s, "b", true)
	if list, err := s.ListLinked(p.ctx, "x"); len(list) != 1 || err != nil || list[0].ID != "b" {
		p.add("ListLinked = %v, %v", list, err)
	}
}

func linked(p *problems, s callback.SessionStore) {
	first, second, other := record("a", time.Hour, "user:1", "sid:1"), record("b", time.Hour, "user:1", "sid:2"), record("c", time.Hour, "user:2")
	first.Created = first.Created.Add(-time.Minute)
	put(p, s, second, first, other)
	list, err := s.ListLinked(p.ctx, "user:1")
	if err != nil || len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		p.add("ListLinked = %v, %v, want a and b, oldest first", list, err)
	}
	if n, err := s.DeleteLinked(p.ctx, "sid:1"); n != 1 || err != nil {
		p.add("DeleteLinked by one link = %d, %v", n, err)
	}
	wantFound(p, s, "a", false)
	if n, err := s.DeleteLinked(p.ctx, "user:1"); n != 1 || err != nil {
		p.add("DeleteLinked by the other = %d, %v", n, err)
	}
	wantFound(p, s, "b", false)
	wantFound(p, s, "c", true)
}

func expired(p *problems, s callback.SessionStore) {
	put(p, s, record("a", time.Second, "x"), record("b", time.Hour, "x"))
	wantFound(p, s, "a", true)
	time.Sleep(1100 * time.Millisecond)
	wantFound(p, s, "a", false)
	if list, err := s.ListLinked(p.ctx, "x"); len(list) != 1 || err != nil {
		p.add("ListLinked = %v, %v", list, err)
	}
	p.none("Extend", s.Extend(p.ctx, "a", time.Now().Add(time.Hour)))
	wantFound(p, s, "a", false)
}

func extended(p *problems, s callback.SessionStore) {
	r := record("a", time.Second)
	put(p, s, r)
	for _, to := range []time.Time{r.Expires.Add(time.Hour), r.Created} { // beyond its end, and back
		p.none("Extend", s.Extend(p.ctx, "a", to))
	}
	time.Sleep(time.Until(r.Expires.Add(200 * time.Millisecond)))
	wantFound(p, s, "a", true)
	time.Sleep(time.Until(r.Ends.Add(100 * time.Millisecond)))
	wantFound(p, s, "a", false)
}

func dataReplaced(p *problems, s callback.SessionStore) {
	want := record("a", time.Hour, "x")
	put(p, s, want)
	p.none("SetData", s.SetData(p.ctx, "a", []byte("2")))
	got, _ := get(p, s, "a")
	if string(got.Data) != "2" || !slices.Equal(got.Links, want.Links) || got.Expires.Sub(want.Expires).Abs() >= time.Second {
		p.add("got %+v", got)
	}
}

func notRevived(p *problems, s callback.SessionStore) {
	put(p, s, record("a", time.Hour, "x"))
	p.none("Delete", s.Delete(p.ctx, "a"))
	p.none("Extend", s.Extend(p.ctx, "a", time.Now().Add(time.Hour)))
	p.none("SetData", s.SetData(p.ctx, "a", []byte("2")))
	wantFound(p, s, "a", false)
	if list, _ := s.ListLinked(p.ctx, "x"); len(list) != 0 {
		p.add("ListLinked = %v", list)
	}
}

func notShared(p *problems, s callback.SessionStore) {
	r := record("a", time.Hour, "x")
	put(p, s, r)
	r.Data[0], r.Links[0] = '!', "!"
	got, _ := get(p, s, "a")
	if string(got.Data) != `{"id":"a"}` || !slices.Equal(got.Links, []string{"x"}) {
		p.add("the caller's slices are kept: %+v", got)
	}
	clear(got.Data)
	if again, _ := get(p, s, "a"); string(again.Data) != `{"id":"a"}` {
		p.add("the store's slices are given away")
	}
}

func concurrent(p *problems, s callback.SessionStore) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := strconv.Itoa(g) + "-" + strconv.Itoa(i)
				err := s.Put(p.ctx, record(id, time.Hour, "all", "g:"+strconv.Itoa(g)))
				_, found, err2 := s.Get(p.ctx, id)
				if err != nil || err2 != nil || !found {
					p.add("%s: %v, %v, found %v", id, err, err2, found)
				}
				_ = s.Extend(p.ctx, id, time.Now().Add(90*time.Minute))
			}
		})
	}
	wg.Wait()
	if list, err := s.ListLinked(p.ctx, "all"); len(list) != 100 || err != nil {
		p.add("%d of 100 are listed, %v", len(list), err)
	}
	if n, err := s.DeleteLinked(p.ctx, "g:1"); n != 25 || err != nil {
		p.add("DeleteLinked = %d, %v", n, err)
	}
}
