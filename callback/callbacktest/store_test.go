package callbacktest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

func memory() *callback.MemorySessions {
	m, err := callback.NewMemorySessions(callback.MemorySessionsConfig{MaxSessions: 1000})
	if err != nil {
		panic(err)
	}
	return m
}

func TestMemorySessions(t *testing.T) {
	callbacktest.TestSessionStore(t, func(*testing.T) callback.SessionStore { return memory() })
}

// mutant is a good store but for what is replaced.
type mutant struct {
	*callback.MemorySessions
	put          func(*callback.MemorySessions, callback.SessionRecord) error
	get          func(*callback.MemorySessions, string) (callback.SessionRecord, bool, error)
	extend       func(*callback.MemorySessions, string, time.Time) error
	setData      func(*callback.MemorySessions, string, []byte) error
	remove       func(*callback.MemorySessions, string) error
	deleteLinked func(*callback.MemorySessions, string) (int, error)
	listLinked   func(*callback.MemorySessions, string) ([]callback.SessionRecord, error)
}

func (m mutant) Put(ctx context.Context, r callback.SessionRecord) error {
	if m.put != nil {
		return m.put(m.MemorySessions, r)
	}
	return m.MemorySessions.Put(ctx, r)
}

func (m mutant) Get(ctx context.Context, id string) (callback.SessionRecord, bool, error) {
	if m.get != nil {
		return m.get(m.MemorySessions, id)
	}
	return m.MemorySessions.Get(ctx, id)
}

func (m mutant) Extend(ctx context.Context, id string, to time.Time) error {
	if m.extend != nil {
		return m.extend(m.MemorySessions, id, to)
	}
	return m.MemorySessions.Extend(ctx, id, to)
}

func (m mutant) SetData(ctx context.Context, id string, data []byte) error {
	if m.setData != nil {
		return m.setData(m.MemorySessions, id, data)
	}
	return m.MemorySessions.SetData(ctx, id, data)
}

func (m mutant) Delete(ctx context.Context, id string) error {
	if m.remove != nil {
		return m.remove(m.MemorySessions, id)
	}
	return m.MemorySessions.Delete(ctx, id)
}

func (m mutant) DeleteLinked(ctx context.Context, link string) (int, error) {
	if m.deleteLinked != nil {
		return m.deleteLinked(m.MemorySessions, link)
	}
	return m.MemorySessions.DeleteLinked(ctx, link)
}

func (m mutant) ListLinked(ctx context.Context, link string) ([]callback.SessionRecord, error) {
	if m.listLinked != nil {
		return m.listLinked(m.MemorySessions, link)
	}
	return m.MemorySessions.ListLinked(ctx, link)
}

var errDown = errors.New("down")

// TestSuiteFindsWhatIsWrong holds the suite itself against stores that each break one promise.
func TestSuiteFindsWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		part string // which must find it
		m    mutant
	}{
		{"loses data", "a record is read back", mutant{put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			r.Data = nil
			return m.Put(ctx, r)
		}}},
		{"rounds times to minutes", "a record is read back", mutant{get: func(m *callback.MemorySessions, id string) (callback.SessionRecord, bool, error) {
			r, found, err := m.Get(ctx, id)
			r.Created = r.Created.Add(time.Minute)
			return r, found, err
		}}},
		{"keeps the first record of an id", "a record put again is replaced", mutant{put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			if _, found, _ := m.Get(ctx, r.ID); found {
				return nil
			}
			return m.Put(ctx, r)
		}}},
		{"finds everything", "a record that does not exist is not found", mutant{
			get: func(_ *callback.MemorySessions, id string) (callback.SessionRecord, bool, error) {
				return callback.SessionRecord{ID: id}, true, nil
			},
			listLinked: func(*callback.MemorySessions, string) ([]callback.SessionRecord, error) {
				return make([]callback.SessionRecord, 1), nil
			},
			deleteLinked: func(*callback.MemorySessions, string) (int, error) { return 1, nil },
		}},
		{"cannot delete what is not there", "a record that does not exist is not found", mutant{remove: func(*callback.MemorySessions, string) error { return errDown }}},
		{"deletes nothing", "a deleted record is gone", mutant{remove: func(*callback.MemorySessions, string) error { return nil }}},
		{"lists newest first", "links find and end what has them", mutant{listLinked: func(m *callback.MemorySessions, link string) ([]callback.SessionRecord, error) {
			list, err := m.ListLinked(ctx, link)
			slices.Reverse(list)
			return list, err
		}}},
		{"ends nothing by link", "links find and end what has them", mutant{deleteLinked: func(*callback.MemorySessions, string) (int, error) { return 0, nil }}},
		{"lists the same for every link", "nothing revives a deleted record", mutant{listLinked: func(*callback.MemorySessions, string) ([]callback.SessionRecord, error) {
			return make([]callback.SessionRecord, 2), nil
		}}},
		{"never forgets", "a record expires", mutant{put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			r.Expires = r.Expires.Add(time.Hour)
			return m.Put(ctx, r)
		}}},
		{"extends without end", "an extended record lives on, within its end", mutant{put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			r.Ends = r.Ends.Add(time.Hour)
			return m.Put(ctx, r)
		}}},
		{"extends nothing", "an extended record lives on, within its end", mutant{extend: func(*callback.MemorySessions, string, time.Time) error { return nil }}},
		{"sets no data", "data is replaced in place", mutant{setData: func(*callback.MemorySessions, string, []byte) error { return nil }}},
		{"revives by extending", "nothing revives a deleted record", mutant{extend: func(m *callback.MemorySessions, id string, to time.Time) error {
			return m.Put(ctx, callback.SessionRecord{ID: id, Expires: to, Ends: to})
		}}},
		{"shares the caller's memory", "the store shares no memory", sharing()},
		{"loses records under load", "concurrent use", mutant{put: func(*callback.MemorySessions, callback.SessionRecord) error { return errDown }}},
		{"loses links under load", "concurrent use", mutant{put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			r.Links = nil
			return m.Put(ctx, r)
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				found := callbacktest.CheckStore(t.Context(), func() callback.SessionStore {
					m := tt.m
					m.MemorySessions = memory()
					return m
				})
				if found[tt.part] == nil {
					t.Errorf("%q finds nothing wrong", tt.part)
				}
			})
		})
	}
}

// sharing returns a store that keeps the slices it is given, and gives them away.
func sharing() mutant {
	kept := map[string]callback.SessionRecord{}
	return mutant{
		put: func(m *callback.MemorySessions, r callback.SessionRecord) error {
			if len(r.Links) == 1 && r.Links[0] == "x" && string(r.Data) == `{"id":"a"}` {
				kept[r.ID] = r
			}
			return m.Put(context.Background(), r)
		},
		get: func(m *callback.MemorySessions, id string) (callback.SessionRecord, bool, error) {
			if r, ok := kept[id]; ok {
				return r, true, nil
			}
			return m.Get(context.Background(), id)
		},
	}
}
