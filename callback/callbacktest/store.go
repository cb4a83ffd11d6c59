package callbacktest

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
)

// SessionStore runs the suite that every [callback.SessionStore] must pass, each part on a new store. The stores may share a server,
// as long as they share no records. A part that waits takes about two seconds.
func SessionStore(t *testing.T, open func(t *testing.T) callback.SessionStore) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, callback.SessionStore){
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
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// record returns a record that lives for lifetime and can be extended to twice that.
func record(id string, lifetime time.Duration, links ...string) callback.SessionRecord {
	now := time.Now().Truncate(time.Millisecond)
	return callback.SessionRecord{ID: id, Links: links, Data: []byte(`{"id":"` + id + `"}`), Created: now, Expires: now.Add(lifetime), Ends: now.Add(2 * lifetime)}
}

func put(t *testing.T, s callback.SessionStore, records ...callback.SessionRecord) {
	t.Helper()
	for _, r := range records {
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
}

func get(t *testing.T, s callback.SessionStore, id string) (callback.SessionRecord, bool) {
	t.Helper()
	r, found, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return r, found
}

func wantFound(t *testing.T, s callback.SessionStore, id string, want bool) {
	t.Helper()
	if _, found := get(t, s, id); found != want {
		t.Errorf("record %s found: %v, want %v", id, found, want)
	}
}

func readBack(t *testing.T, s callback.SessionStore) {
	want := record("a", time.Hour, "user:1", "sid:\x00 odd/link")
	put(t, s, want)
	got, found := get(t, s, "a")
	if !found || got.ID != want.ID || string(got.Data) != string(want.Data) || !slices.Equal(got.Links, want.Links) {
		t.Errorf("got %+v, %v, want %+v", got, found, want)
	}
	for name, times := range map[string][2]time.Time{"Created": {got.Created, want.Created}, "Expires": {got.Expires, want.Expires}, "Ends": {got.Ends, want.Ends}} {
		if d := times[0].Sub(times[1]).Abs(); d >= time.Second {
			t.Errorf("%s is %v off", name, d)
		}
	}
}

func replaced(t *testing.T, s callback.SessionStore) {
	put(t, s, record("a", time.Hour, "old"))
	again := record("a", time.Hour, "new")
	again.Data = []byte("2")
	put(t, s, again)
	if got, _ := get(t, s, "a"); string(got.Data) != "2" {
		t.Errorf("data: %s", got.Data)
	}
	if n, err := s.DeleteLinked(t.Context(), "old"); n != 0 || err != nil {
		t.Errorf("DeleteLinked of the link from before = %d, %v", n, err)
	}
	wantFound(t, s, "a", true)
}

func notFound(t *testing.T, s callback.SessionStore) {
	wantFound(t, s, "a", false)
	if list, err := s.ListLinked(t.Context(), "none"); len(list) != 0 || err != nil {
		t.Errorf("ListLinked = %v, %v", list, err)
	}
	if n, err := s.DeleteLinked(t.Context(), "none"); n != 0 || err != nil {
		t.Errorf("DeleteLinked = %d, %v", n, err)
	}
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func deleted(t *testing.T, s callback.SessionStore) {
	put(t, s, record("a", time.Hour, "x"), record("b", time.Hour, "x"))
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantFound(t, s, "a", false)
	wantFound(t, s, "b", true)
	if list, err := s.ListLinked(t.Context(), "x"); len(list) != 1 || err != nil || list[0].ID != "b" {
		t.Errorf("ListLinked = %v, %v", list, err)
	}
}

func linked(t *testing.T, s callback.SessionStore) {
	first, second, other := record("a", time.Hour, "user:1", "sid:1"), record("b", time.Hour, "user:1", "sid:2"), record("c", time.Hour, "user:2")
	first.Created = first.Created.Add(-time.Minute)
	put(t, s, second, first, other)
	list, err := s.ListLinked(t.Context(), "user:1")
	if err != nil || len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		t.Errorf("ListLinked = %v, %v, want a and b, oldest first", list, err)
	}
	if n, err := s.DeleteLinked(t.Context(), "sid:1"); n != 1 || err != nil {
		t.Errorf("DeleteLinked by one link = %d, %v", n, err)
	}
	wantFound(t, s, "a", false)
	if n, err := s.DeleteLinked(t.Context(), "user:1"); n != 1 || err != nil {
		t.Errorf("DeleteLinked by the other = %d, %v", n, err)
	}
	wantFound(t, s, "b", false)
	wantFound(t, s, "c", true)
}

func expired(t *testing.T, s callback.SessionStore) {
	put(t, s, record("a", time.Second, "x"), record("b", time.Hour, "x"))
	wantFound(t, s, "a", true)
	time.Sleep(1100 * time.Millisecond)
	wantFound(t, s, "a", false)
	if list, err := s.ListLinked(t.Context(), "x"); len(list) != 1 || err != nil {
		t.Errorf("ListLinked = %v, %v", list, err)
	}
	if err := s.Extend(t.Context(), "a", time.Now().Add(time.Hour)); err != nil {
		t.Errorf("Extend: %v", err)
	}
	wantFound(t, s, "a", false)
}

func extended(t *testing.T, s callback.SessionStore) {
	r := record("a", time.Second)
	put(t, s, r)
	for _, to := range []time.Time{r.Expires.Add(time.Hour), r.Created} { // beyond its end, and back
		if err := s.Extend(t.Context(), "a", to); err != nil {
			t.Fatalf("Extend: %v", err)
		}
	}
	time.Sleep(time.Until(r.Expires.Add(200 * time.Millisecond)))
	wantFound(t, s, "a", true)
	time.Sleep(time.Until(r.Ends.Add(100 * time.Millisecond)))
	wantFound(t, s, "a", false)
}

func dataReplaced(t *testing.T, s callback.SessionStore) {
	want := record("a", time.Hour, "x")
	put(t, s, want)
	if err := s.SetData(t.Context(), "a", []byte("2")); err != nil {
		t.Fatal(err)
	}
	got, _ := get(t, s, "a")
	if string(got.Data) != "2" || !slices.Equal(got.Links, want.Links) || got.Expires.Sub(want.Expires).Abs() >= time.Second {
		t.Errorf("got %+v", got)
	}
}

func notRevived(t *testing.T, s callback.SessionStore) {
	put(t, s, record("a", time.Hour, "x"))
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Extend(t.Context(), "a", time.Now().Add(time.Hour)); err != nil {
		t.Errorf("Extend: %v", err)
	}
	if err := s.SetData(t.Context(), "a", []byte("2")); err != nil {
		t.Errorf("SetData: %v", err)
	}
	wantFound(t, s, "a", false)
	if list, _ := s.ListLinked(t.Context(), "x"); len(list) != 0 {
		t.Errorf("ListLinked = %v", list)
	}
}

func notShared(t *testing.T, s callback.SessionStore) {
	r := record("a", time.Hour, "x")
	put(t, s, r)
	r.Data[0], r.Links[0] = '!', "!"
	got, _ := get(t, s, "a")
	if got.Data[0] == '!' || got.Links[0] != "x" {
		t.Errorf("the caller's slices are kept: %+v", got)
	}
	got.Data[0] = '!'
	if again, _ := get(t, s, "a"); again.Data[0] == '!' {
		t.Error("the store's slices are given away")
	}
}

func concurrent(t *testing.T, s callback.SessionStore) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 25 {
				id := strconv.Itoa(g) + "-" + strconv.Itoa(i)
				err := s.Put(t.Context(), record(id, time.Hour, "all", "g:"+strconv.Itoa(g)))
				_, found, err2 := s.Get(t.Context(), id)
				if err != nil || err2 != nil || !found {
					t.Errorf("%s: %v, %v, found %v", id, err, err2, found)
				}
				_ = s.Extend(t.Context(), id, time.Now().Add(90*time.Minute))
			}
		})
	}
	wg.Wait()
	if list, err := s.ListLinked(t.Context(), "all"); len(list) != 100 || err != nil {
		t.Errorf("%d of 100 are listed, %v", len(list), err)
	}
	if n, err := s.DeleteLinked(t.Context(), "g:1"); n != 25 || err != nil {
		t.Errorf("DeleteLinked = %d, %v", n, err)
	}
}
