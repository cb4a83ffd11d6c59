package sample_test

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-go/gatehouse/internal/sample"
)

func TestPathOfAnAbsentFileSkips(t *testing.T) {
	for _, row := range []struct {
		name  string
		enter func(t *testing.T)
	}{
		{"inside the repository", func(*testing.T) {}},
		{"outside of any", func(t *testing.T) { t.Helper(); t.Chdir(t.TempDir()) }},
	} {
		var skipped bool
		t.Run(row.name, func(t *testing.T) {
			defer func() { skipped = t.Skipped() }()
			row.enter(t)
			t.Errorf("no skip: %s", sample.Path(t, "no-such-file"))
		})
		if !skipped {
			t.Errorf("%s: the test went on", row.name)
		}
	}
}

func TestPathOfAPresentFile(t *testing.T) {
	if got := sample.Path(t, "nextjs-behaviour.jsonl"); filepath.Base(got) != "nextjs-behaviour.jsonl" {
		t.Errorf("got %s", got)
	}
}
