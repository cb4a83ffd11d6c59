package revalidate_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
)

// What the near tier forgot comes back from the far one, which other processes may share.
func ExampleNewTiered() {
	near, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	far, err := revalidate.NewMemory(revalidate.MemoryConfig{MaxBytes: 64 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := revalidate.NewTiered(near, far)
	ctx := context.Background()
	entry, err := revalidate.NewEntry("a value", time.Now().Add(time.Hour), "posts")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := store.Save(ctx, "key", entry); err != nil {
		fmt.Println(err)
		return
	}
	if err := near.Clear(ctx); err != nil {
		fmt.Println(err)
		return
	}
	found, err := store.Load(ctx, "key")
	fmt.Println(found.Tags(), err)
	// Output: [posts] <nil>
}

// An entry with a tag that no header could carry is refused.
func ExampleNewEntry() {
	_, err := revalidate.NewEntry("a value", time.Now().Add(time.Hour), "two words")
	fmt.Println(err)
	// Output: tag must be 1 to 256 bytes of visible ASCII: byte 3 is 0x20
}
