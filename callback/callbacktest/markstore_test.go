package callbacktest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
)

func marks() *callback.MemoryMarks {
	m, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{MaxMarks: 1000})
	if err != nil {
		panic(err)
	}
	return m
}

func TestMemoryMarks(t *testing.T) {
	callbacktest.TestMarkStore(t, func(*testing.T) callback.MarkStore { return marks() })
}

// markMutant is a good store but for what is replaced.
type markMutant struct {
	*callback.MemoryMarks
	spend   func(*callback.MemoryMarks, string, time.Duration) (bool, error)
	spent   func(*callback.MemoryMarks, string) (bool, error)
	release func(*callback.MemoryMarks, string) error
}

func (m markMutant) Spend(ctx context.Context, name string, keep time.Duration) (bool, error) {
	if m.spend != nil {
		return m.spend(m.MemoryMarks, name, keep)
	}
	return m.MemoryMarks.Spend(ctx, name, keep)
}

func (m markMutant) Spent(ctx context.Context, name string) (bool, error) {
	if m.spent != nil {
		return m.spent(m.MemoryMarks, name)
	}
	return m.MemoryMarks.Spent(ctx, name)
}

func (m markMutant) Release(ctx context.Context, name string) error {
	if m.release != nil {
		return m.release(m.MemoryMarks, name)
	}
	return m.MemoryMarks.Release(ctx, name)
}

// TestSuiteFindsWhatIsWrongWithMarks holds the suite itself against stores that each break one promise.
func TestSuiteFindsWhatIsWrongWithMarks(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		part string // which must find it
		m    markMutant
	}{
		{"spends twice", "a name is spent once", markMutant{spend: func(*callback.MemoryMarks, string, time.Duration) (bool, error) { return true, nil }}},
		{"says unspent", "a name is spent once", markMutant{spent: func(*callback.MemoryMarks, string) (bool, error) { return false, nil }}},
		{"releases nothing", "a released name can be spent again", markMutant{release: func(*callback.MemoryMarks, string) error { return nil }}},
		{"cannot release what is not there", "a released name can be spent again", markMutant{release: func(*callback.MemoryMarks, string) error { return errDown }}},
		{"never forgets", "a mark is forgotten after its time", markMutant{spend: func(m *callback.MemoryMarks, name string, _ time.Duration) (bool, error) {
			return m.Spend(ctx, name, time.Hour)
		}}},
		{"forgets at once", "a mark is forgotten after its time", markMutant{spend: func(m *callback.MemoryMarks, name string, _ time.Duration) (bool, error) {
			return m.Spend(ctx, name, time.Second)
		}}},
		{"trims names", "names are told apart, whatever is in them", markMutant{spend: func(m *callback.MemoryMarks, name string, keep time.Duration) (bool, error) {
			return m.Spend(ctx, strings.TrimSpace(name), keep)
		}}},
		{"looks before it spends", "of many at once one is first", markMutant{spend: func(m *callback.MemoryMarks, name string, keep time.Duration) (bool, error) {
			spent, _ := m.Spent(ctx, name)
			time.Sleep(time.Millisecond)
			_, err := m.Spend(ctx, name, keep)
			return !spent, err
		}}},
		{"is out", "of many at once one is first", markMutant{spend: func(*callback.MemoryMarks, string, time.Duration) (bool, error) { return false, errDown }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				found := callbacktest.CheckMarks(t.Context(), func() callback.MarkStore {
					m := tt.m
					m.MemoryMarks = marks()
					return m
				})
				if found[tt.part] == nil {
					t.Errorf("%q finds nothing wrong", tt.part)
				}
			})
		})
	}
}
