package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// heap returns the bytes of live objects.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finalised
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// heldByTags measures what three tags add to an entry: one that all entries have, one of a thousand and one of its own.
func heldByTags() measure.Case {
	const entries = 200_000
	hold := func(tags func(i int) []string) func() float64 {
		return func() float64 {
			before := heap()
			cache, err := revalidate.New(revalidate.Config{MaxBytes: 1 << 30})
			must(err)
			for i := range entries {
				must(revalidate.Set(context.Background(), cache, "key"+strconv.Itoa(i), revalidate.Options{Tags: tags(i)}, i))
			}
			held := heap() - before
			if n := cache.Metrics().Store.Entries; n != entries {
				panic(fmt.Sprint(n, " entries"))
			}
			return held / entries
		}
	}
	return measure.Case{
		Name: "memory of an entry of data",
		Bars: []measure.Bar{{Quantity: measure.ExtraHeld, AtMost: 112}},
		Contenders: []measure.Contender{
			{Name: "gatehouse Set without tags", Kind: measure.Limit, Hold: hold(func(int) []string { return nil })},
			{Name: "gatehouse Set with three tags", Kind: measure.Ours, Hold: hold(func(i int) []string {
				return []string{"posts", "author:" + strconv.Itoa(i%1000), "post:" + strconv.Itoa(i)}
			})},
		},
	}
}

// soak keeps a cache full that has room for a million entries: each round writes half a million new ones under three tags each, reads, and
// invalidates tags that never come again. It prints the memory after each round; the last must be as the first that was full.
func soak() measure.Case {
	const room, rounds, writes = 1_000_000, 8, 500_000
	ctx := context.Background()
	life := revalidate.Options{Life: revalidate.Life{Revalidate: time.Hour}}
	var full, last float64
	run := func() float64 {
		before := heap()
		cache, err := revalidate.New(revalidate.Config{MaxBytes: room * 400})
		must(err)
		key := 0
		for round := range rounds {
			for range writes {
				o := life
				o.Tags = []string{"posts", "author:" + strconv.Itoa(key%5000), "post:" + strconv.Itoa(key)}
				must(revalidate.Set(ctx, cache, "key"+strconv.Itoa(key), o, key))
				if key%10 == 0 {
					must(cache.ExpireTag(ctx, "post:"+strconv.Itoa(key-100)))
					_, err := revalidate.Get(ctx, cache, "key"+strconv.Itoa(key-100), o, func(context.Context) (int, error) { return key, nil })
					must(err)
				}
				key++
			}
			last = heap() - before
			m := cache.Metrics()
			_, err := fmt.Fprintf(os.Stdout, "soak: %7d written, %7d entries of %4d MiB, %7d evicted, %6d marks; heap %5.0f MiB\n",
				key, m.Store.Entries, m.Store.Bytes>>20, m.Store.Evictions, m.Marks, last/(1<<20))
			must(err)
			if round == rounds/2 {
				full = last
			}
		}
		return last
	}
	return measure.Case{
		Name: "heap of a cache that stays full, a million entries",
		Bars: []measure.Bar{{Quantity: measure.TimesHeld, AtMost: 1.05}},
		Contenders: []measure.Contender{
			{Name: "gatehouse, at the end", Kind: measure.Ours, Hold: run},
			{Name: "gatehouse, half-way", Kind: measure.Limit, Hold: func() float64 { return full }},
		},
	}
}
