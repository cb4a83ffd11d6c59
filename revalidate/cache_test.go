package revalidate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"testing"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

func newCache(tb testing.TB, c revalidate.Config) *revalidate.Cache {
	tb.Helper()
	cache, err := revalidate.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cache.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return cache
}

// silent is a logger for tests that provoke what is logged.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func ExampleNew() {
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	version := 1
	load := func(context.Context) (string, error) { return fmt.Sprintf("posts, version %d", version), nil }
	options := revalidate.Options{Tags: []string{"posts"}, Profile: "hours"}

	posts, _ := revalidate.Get(ctx, cache, "posts", options, load)
	fmt.Println(posts)
	version = 2
	posts, _ = revalidate.Get(ctx, cache, "posts", options, load)
	fmt.Println(posts)
	_ = cache.ExpireTag(ctx, "posts")
	posts, _ = revalidate.Get(ctx, cache, "posts", options, load)
	fmt.Println(posts)
	// Output:
	// posts, version 1
	// posts, version 1
	// posts, version 2
}

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := revalidate.New(revalidate.Config{
		MaxBytes: 1, MaxMarks: -1, MaxRefreshes: -1, RevalidateWindow: -1, RefreshTimeout: -1,
		Profiles: map[string]revalidate.Life{"": {}},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 7 {
		t.Errorf("got:\n%v", err)
	}
}
