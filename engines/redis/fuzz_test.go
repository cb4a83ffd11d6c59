package redis_test

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// What is read as a message says the same when it is announced again, and a cache takes it or says why not.
func FuzzParseMessage(f *testing.F) {
	for _, text := range []string{
		"", "{", "null", "[]", `{"Version":2}`, `{"Version":1}`, `{"Version":1,"Tags":["a","b"],"Mode":1}`, `{"Version":1,"Prefixes":["a"],"Window":1000}`,
		`{"Version":1,"Paths":["L2Jsb2cv/w=="]}`, `{"Version":1,"Paths":["!"]}`, `{"Version":1,"Window":-1,"Tags":["a"]}`, `{"Version":1,"Mode":255,"Tags":[""]}`,
		`{"Version":1,"Mode":256}`, `{"Version":1e400}`,
		`{"Version":2,"All":true}`, `{"Version":2,"URLs":["aHR0cDovL2EvYj8="],"Groups":[{"Origin":"http://a","Name":"g h"}]}`, `{"Version":1,"All":true}`,
		`{"Version":2,"URLs":["L2I="]}`, `{"Version":2,"URLs":["L2I="],"Tags":[],"Groups":[]}`, `{"Version":3,"All":true}`, `{"version":1,"TAGS":["a"],"Tags":["b"]}`, strings.Repeat("[", 20_000),
	} {
		f.Add(text)
	}
	cache, err := revalidate.New(revalidate.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := redis.ParseMessage(text)
		if err != nil {
			return
		}
		again, err := redis.MessageOf(inv)
		if err != nil {
			t.Fatal(err)
		}
		same, err := redis.ParseMessage(again)
		if names := len(inv.Tags) + len(inv.TagPrefixes) + len(inv.Paths) + len(inv.URLs) + len(inv.Groups); err != nil || names > 0 && !sameInvalidation(inv, same) {
			t.Errorf("%q: %+v, then %+v, %v", text, inv, same, err)
		}
		if err, want := cache.Receive(inv), inv.Check(); (err == nil) != (want == nil) {
			t.Errorf("%q: received %v, checked %v", text, err, want)
		}
	})
}

// sameInvalidation reports whether the two say the same; a list that is empty and one that is absent do.
func sameInvalidation(a, b revalidate.Invalidation) bool {
	return slices.Equal(a.Tags, b.Tags) && slices.Equal(a.TagPrefixes, b.TagPrefixes) && slices.Equal(a.Paths, b.Paths) && slices.Equal(a.URLs, b.URLs) &&
		slices.Equal(a.Groups, b.Groups) && a.All == b.All && a.Mode == b.Mode && a.Window == b.Window
}

// What a server holds in place of an entry is an entry or none; what is read is within the bound.
func FuzzUnpack(f *testing.F) {
	const most = 10_000
	for _, value := range []any{1, "a", strings.Repeat("all work and no play ", 400)} {
		e, err := revalidate.NewEntry(value, time.Now().Add(time.Hour), "a", "b")
		if err != nil {
			f.Fatal(err)
		}
		packed, err := redis.Pack(e, most)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Add([]byte{})
	f.Add([]byte{2, 0xff})
	f.Add([]byte{9, 1, 2})
	f.Fuzz(func(t *testing.T, value []byte) {
		e := redis.Unpack(value, most)
		if e == nil {
			return
		}
		packed, err := redis.Pack(e, 2*most)
		if err != nil || packed == nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if again := redis.Unpack(packed, 2*most); again == nil || !again.KeepUntil().Equal(e.KeepUntil()) || !reflect.DeepEqual(again.Tags(), e.Tags()) {
			t.Errorf("%v, then %v", e, again)
		}
	})
}

// A record that is read has its times and links, or is refused.
func FuzzRecordOf(f *testing.F) {
	f.Add("{}", "1", "2", "3", "user:ann", "")
	f.Add("", "", "x", "-1", "", "sid:1")
	f.Add("\xff", "9223372036854775807", "9223372036854775808", "0x1", "a", "b")
	f.Fuzz(func(t *testing.T, data, created, expires, ends, first, second string) {
		rec, err := redis.RecordOf("id", map[string]string{"d": data, "c": created, "e": expires, "n": ends, "l1": first, "l2": second})
		_, bad := strconv.ParseInt(created, 10, 64)
		_, bad2 := strconv.ParseInt(expires, 10, 64)
		_, bad3 := strconv.ParseInt(ends, 10, 64)
		if (err == nil) != (bad == nil && bad2 == nil && bad3 == nil) {
			t.Errorf("%v", err)
		}
		if err == nil && (rec.ID != "id" || string(rec.Data) != data || len(rec.Links) != 2 || rec.Links[0] != first || rec.Links[1] != second) {
			t.Errorf("%+v", rec)
		}
	})
}
