package redis_test

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// commands are all that the engine sends, with the client's own at the start of a connection, and inside of scripts. The package
// documentation names 6.2 as the oldest server: none of them may be newer. Of their options the newest are XRANGE's exclusive start,
// from 6.2, and CLIENT TRACKING with its PREFIX, from 6.0.
var commands = []string{ //nolint:gochecknoglobals // a table
	"client|setinfo", // from 7.2: it names the client, and its failure is of no consequence
	"client|tracking", "cluster|shards", "cluster|slots", "del", "evalsha", "eval", "exists", "expire", "get", "hello", "hget", "hgetall", "hincrby", "hmget", "hset",
	"pexpireat", "ping", "pttl", "scan", "set", "time", "unlink", "xadd", "xrange", "xread", "zadd", "zcard", "zrange", "zrem", "zremrangebyscore",
}

// The server counts what it was asked, and knows since when it has each command; one of version 6.2 knows each or fails the rest.
func TestTheOldestServerHasEveryCommand(t *testing.T) {
	s := start(t)
	s.do("CONFIG", "RESETSTAT")
	p := piecesOf(t, s.engine())
	for range 2 {
		for name, call := range p.calls() {
			if err := call(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	contracts(t, s)
	if err := cacheStoreOf(t, s.engine(), redis.CacheStoreConfig{}).Clear(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := s.do("INFO", "commandstats").ToString()
	if err != nil {
		t.Fatal(err)
	}
	old := olderThan7(t) // counts commands without their subcommands, and has none that is too new
	called := func(name string) string {
		if old {
			name, _, _ = strings.Cut(name, "|")
		}
		return name
	}
	own := []string{called("config|resetstat"), "info"} // the test's
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`cmdstat_([^:]+):`).FindAllStringSubmatch(info, -1) {
		if !slices.Contains(own, m[1]) {
			used[m[1]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !slices.ContainsFunc(commands, func(known string) bool { return called(known) == name }) {
			t.Errorf("%s was sent, and is not in the table", name)
		}
	}
	for _, want := range []string{"evalsha", "xread", "client|tracking", "zadd", "unlink"} {
		if !used[called(want)] {
			t.Errorf("%s was not sent: the test sees too little", want)
		}
	}
	for _, name := range commands {
		if name == "client|setinfo" || name == "cluster|shards" { // the client asks for shards where the server is of version 8 alone
			continue
		}
		if old {
			if about, err := s.do("COMMAND", "INFO", called(name)).ToArray(); err != nil || len(about) != 1 || about[0].IsNil() {
				t.Errorf("%s is not known to this server: %v", name, err)
			}
			continue
		}
		docs, err := s.do("COMMAND", "DOCS", name).AsMap()
		if err != nil {
			t.Fatal(err)
		}
		about := docs[name]
		fields, err := about.AsMap()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		since := fields["since"]
		text, _ := since.ToString()
		if newer(text, 6, 2) {
			t.Errorf("%s is of version %s", name, text)
		}
	}
}

// newer reports whether a version is above major.minor.
func newer(version string, major, minor int) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return true
	}
	m, err := strconv.Atoi(parts[0])
	n, err2 := strconv.Atoi(parts[1])
	return err != nil || err2 != nil || m > major || m == major && n > minor
}
