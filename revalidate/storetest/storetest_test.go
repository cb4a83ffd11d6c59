package storetest_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/revalidate/storetest"
)

func memory(tb testing.TB) *revalidate.Memory {
	tb.Helper()
	m, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 8 << 20})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMemory(t *testing.T) {
	storetest.TestStore(t, func(t *testing.T) revalidate.Store {
		t.Helper()
		return memory(t)
	})
}

// broken is a store with one fault, in the methods that are not nil.
type broken struct {
	revalidate.Store
	load   func(key string) (*revalidate.Entry, error)
	save   func(key string, e *revalidate.Entry) error
	remove func(key string) error
	clear  func() error
	all    func() iter.Seq2[string, *revalidate.Entry]
	usage  func() revalidate.Usage
}

func (b *broken) Load(ctx context.Context, key string) (*revalidate.Entry, error) {
	if b.load != nil {
		return b.load(key)
	}
	return b.Store.Load(ctx, key)
}

func (b *broken) Save(ctx context.Context, key string, e *revalidate.Entry) error {
	if b.save != nil {
		return b.save(key, e)
	}
	return b.Store.Save(ctx, key, e)
}

func (b *broken) Delete(ctx context.Context, key string) error {
	if b.remove != nil {
		return b.remove(key)
	}
	return b.Store.Delete(ctx, key)
}

func (b *broken) Clear(ctx context.Context) error {
	if b.clear != nil {
		return b.clear()
	}
	return b.Store.Clear(ctx)
}

func (b *broken) All(ctx context.Context) iter.Seq2[string, *revalidate.Entry] {
	if b.all != nil {
		return b.all()
	}
	return b.Store.All(ctx)
}

func (b *broken) Usage() revalidate.Usage {
	if b.usage != nil {
		return b.usage()
	}
	return b.Store.Usage()
}

func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	down := errors.New("down")
	other, err := revalidate.NewEntry("x", time.Now().Add(time.Hour), "of", "another")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		fault  string
		breaks []string // at least
		make   func(*revalidate.Memory) *broken
	}{
		{"none", nil, func(*revalidate.Memory) *broken { return &broken{} }},
		{"Save does nothing", []string{"what is saved is loaded", "keys are bytes", "a cache works on it"}, func(*revalidate.Memory) *broken {
			return &broken{save: func(string, *revalidate.Entry) error { return nil }}
		}},
		{"Save fails", []string{"what is saved is loaded", "usage counts bytes", "what is listed is what is there", "many use it at once"}, func(*revalidate.Memory) *broken {
			return &broken{save: func(string, *revalidate.Entry) error { return down }}
		}},
		{"Load fails where there is nothing", []string{"an absent key is no error"}, func(m *revalidate.Memory) *broken {
			return &broken{load: func(key string) (*revalidate.Entry, error) {
				if e, _ := m.Load(ctx, key); e != nil {
					return e, nil
				}
				return nil, down
			}}
		}},
		{"Load returns another's entry", []string{"what is saved is loaded", "many use it at once"}, func(*revalidate.Memory) *broken {
			return &broken{load: func(string) (*revalidate.Entry, error) { return other, nil }}
		}},
		{"an entry loses its time", []string{"what is saved is loaded"}, func(m *revalidate.Memory) *broken {
			return &broken{save: func(key string, e *revalidate.Entry) error {
				shorter, _ := revalidate.NewEntry("x", e.KeepUntil().Add(-time.Minute), e.Tags()...)
				return m.Save(ctx, key, shorter)
			}}
		}},
		{"the first save counts", []string{"the last save counts"}, func(m *revalidate.Memory) *broken {
			return &broken{save: func(key string, e *revalidate.Entry) error {
				if old, _ := m.Load(ctx, key); old != nil {
					return nil
				}
				return m.Save(ctx, key, e)
			}}
		}},
		{"Delete does nothing", []string{"what is deleted is gone", "a cache works on it"}, func(*revalidate.Memory) *broken {
			return &broken{remove: func(string) error { return nil }}
		}},
		{"Delete deletes all", []string{"what is deleted is gone"}, func(m *revalidate.Memory) *broken {
			return &broken{remove: func(string) error { return m.Clear(ctx) }}
		}},
		{"Clear does nothing", []string{"what is cleared is gone"}, func(*revalidate.Memory) *broken {
			return &broken{clear: func() error { return nil }}
		}},
		{"keys have no case", []string{"keys are bytes"}, func(m *revalidate.Memory) *broken {
			return &broken{
				load: func(key string) (*revalidate.Entry, error) { return m.Load(ctx, strings.ToLower(key)) },
				save: func(key string, e *revalidate.Entry) error { return m.Save(ctx, strings.ToLower(key), e) },
			}
		}},
		{"nothing ends", []string{"what has ended is not loaded", "what has ended before it is saved replaces what was there"}, func(m *revalidate.Memory) *broken {
			kept := map[string]*revalidate.Entry{}
			return &broken{
				save: func(key string, e *revalidate.Entry) error {
					if strings.HasPrefix(key, "key") && len(key) == 3 {
						kept[key] = e
					}
					return m.Save(ctx, key, e)
				},
				load: func(key string) (*revalidate.Entry, error) {
					if e := kept[key]; e != nil {
						return e, nil
					}
					return m.Load(ctx, key)
				},
			}
		}},
		{"usage beyond the bound", []string{"usage counts bytes"}, func(*revalidate.Memory) *broken {
			return &broken{usage: func() revalidate.Usage { return revalidate.Usage{Bytes: 2, MaxBytes: 1} }}
		}},
		{"a listing that is not whole", []string{"what is listed is what is there"}, func(m *revalidate.Memory) *broken {
			return &broken{all: func() iter.Seq2[string, *revalidate.Entry] {
				return func(yield func(string, *revalidate.Entry) bool) {
					for key, e := range m.All(ctx) {
						yield(key, e)
						return
					}
				}
			}}
		}},
		{"a listing that repeats itself", []string{"what is listed is what is there"}, func(m *revalidate.Memory) *broken {
			return &broken{all: func() iter.Seq2[string, *revalidate.Entry] {
				return func(yield func(string, *revalidate.Entry) bool) {
					for key, e := range m.All(ctx) {
						for range 2 {
							if !yield(key, e) {
								return
							}
						}
					}
				}
			}}
		}},
	} {
		t.Run(row.fault, func(t *testing.T) {
			t.Parallel()
			found := storetest.Check(func() revalidate.Store {
				m := memory(t)
				b := row.make(m)
				b.Store = m
				return b
			})
			wantBroken(t, found, row.breaks)
		})
	}
}

// wantBroken fails unless found has the promises that are broken, or none where none is.
func wantBroken(t *testing.T, found map[string]error, breaks []string) {
	t.Helper()
	if len(breaks) == 0 && len(found) > 0 {
		t.Errorf("found %v", found)
	}
	for _, want := range breaks {
		if found[want] == nil {
			t.Errorf("%q is not found broken, only %q", want, slices.Sorted(maps.Keys(found)))
		}
	}
}
