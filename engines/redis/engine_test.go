package redis_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/gatehouse-go/gatehouse/webhook"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestPingOfAServerThatIsThere(t *testing.T) {
	if err := start(t).engine().Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnIdleConnectionThatTheServerClosedIsNoFailure(t *testing.T) {
	s := start(t)
	e := s.engine(func(c *redis.Config) { c.OnDegraded = func(err error) { t.Errorf("degraded: %v", err) } })
	for range 5 {
		if err := e.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		s.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	}
}

func TestEngineTellsOfAnOutageOnce(t *testing.T) {
	s := start(t)
	var log bytes.Buffer
	var told []error
	e := s.engine(func(c *redis.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.OnDegraded = func(err error) { told = append(told, err) }
	})
	for range 2 {
		if err := e.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.kill()
		for range 20 {
			if err := e.Ping(t.Context()); !errors.Is(err, redis.ErrOut) {
				t.Errorf("during the outage: %v", err)
			}
		}
		s.run()
		eventually(t, "the server answers again", func() bool { return e.Ping(t.Context()) == nil })
	}
	if len(told) != 4 || !errors.Is(told[0], redis.ErrOut) || told[1] != nil || !errors.Is(told[2], redis.ErrOut) || told[3] != nil {
		t.Errorf("told: %v", told)
	}
	if n, m := strings.Count(log.String(), "redis is out"), strings.Count(log.String(), "redis answers again"); n != 2 || m != 2 {
		t.Errorf("log of two outages:\n%s", log.String())
	}
}

// A server that hangs holds no more than MaxPending calls, each no longer than Timeout, and leaves no goroutine behind.
func TestAServerThatHangsHoldsFewCallsAndNotForLong(t *testing.T) {
	s := start(t)
	e := s.engine(func(c *redis.Config) { c.Timeout = 300 * time.Millisecond; c.MaxPending = 16 })
	eventually(t, "the server is reached", func() bool { return e.Ping(t.Context()) == nil })
	before := runtime.NumGoroutine()
	s.signal(syscall.SIGSTOP)
	var all sync.WaitGroup
	var busy, out atomic.Int64
	for range 400 {
		all.Go(func() {
			began := time.Now()
			switch err := e.Ping(t.Context()); {
			case errors.Is(err, redis.ErrBusy):
				busy.Add(1)
			case errors.Is(err, redis.ErrOut):
				out.Add(1)
			default:
				t.Errorf("from a server that hangs: %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("a call took %v", took)
			}
		})
	}
	all.Wait()
	if busy.Load() == 0 || out.Load() == 0 || out.Load() > 100 {
		t.Errorf("%d calls were refused for room, %d waited", busy.Load(), out.Load())
	}
	s.signal(syscall.SIGCONT)
	eventually(t, "the server answers again", func() bool { return e.Ping(t.Context()) == nil })
	eventually(t, "all places are free", func() bool {
		for range 16 {
			if e.Ping(t.Context()) != nil {
				return false
			}
		}
		return true
	})
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+4 })
}

func TestACallerThatGivesUpIsNoOutage(t *testing.T) {
	s := start(t)
	e := s.engine(func(c *redis.Config) { c.OnDegraded = func(err error) { t.Errorf("degraded: %v", err) } })
	if err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		<-ctx.Done()
		if err := e.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrOut) {
			t.Errorf("%v", err)
		}
		cancel()
	}
	if err := e.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAClosedEngineRefuses(t *testing.T) {
	s := start(t)
	used, fresh := s.engine(), s.engine()
	if err := used.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*redis.Engine{used, fresh} {
		e.Close()
		if err := e.Ping(t.Context()); !errors.Is(err, redis.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestCloseEndsCallsThatWait(t *testing.T) {
	s := start(t)
	e := s.engine(func(c *redis.Config) { c.Timeout = time.Second })
	if err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGSTOP)
	failed := make(chan error)
	go func() { failed <- e.Ping(t.Context()) }()
	time.Sleep(100 * time.Millisecond) // the call waits by now; if not, it is refused as one that came later
	e.Close()
	if err := <-failed; !errors.Is(err, redis.ErrClosed) {
		t.Error(err)
	}
}

func TestCloseEndsAnAttemptToConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := engineAt(t, func(c *redis.Config) { c.Addresses = []string{l.Addr().String()}; c.Timeout = time.Second })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	e.Close()
	if err := e.Ping(t.Context()); !errors.Is(err, redis.ErrClosed) {
		t.Error(err)
	}
}

func TestAWrongPasswordIsSaidAndNotShown(t *testing.T) {
	s := start(t, "--requirepass", "right")
	const wrong = "hunter2-and-more"
	var log bytes.Buffer
	e := s.engine(func(c *redis.Config) { c.Password = wrong; c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 5 {
		err := e.Ping(t.Context())
		if !errors.Is(err, redis.ErrOut) || strings.Contains(err.Error(), wrong) {
			t.Error(err)
		}
	}
	if !strings.Contains(log.String(), "WRONGPASS") || strings.Contains(log.String(), wrong) {
		t.Errorf("log: %s", log.String())
	}
	if err := s.engine(func(c *redis.Config) { c.Password = "right"; c.DB = 7 }).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// The user has what the package documentation says, and no more.
func TestAnACLUserOfOnePrefix(t *testing.T) {
	s := start(t)
	if err := s.do("ACL", "SETUSER", "app", "on", ">secret", "~shop:*", "+@connection", "+@scripting", "+@read", "+@write", "+time", "+cluster|slots", "+cluster|shards", "-@dangerous", "+client|tracking").Error(); err != nil {
		t.Fatal(err)
	}
	take := []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 5, Cost: 1}}
	user := func(c *redis.Config) { c.Username, c.Password = "app", "secret" }
	own := s.engine(user, func(c *redis.Config) { c.Prefix = "shop:" })
	if err := own.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), take, make([]security.RateResult, 1)); err != nil {
		t.Error(err)
	}
	sessions := sessionsOn(t, own, 1)
	for range 2 {
		if err := sessions.Put(t.Context(), sessionRecord("a", time.Hour, "user:ann")); err != nil {
			t.Error(err)
		}
	}
	if _, err := own.NewMarks().Spend(t.Context(), "a", time.Hour); err != nil {
		t.Error(err)
	}
	if _, err := own.NewDeduper().Claim(t.Context(), webhook.Key{}, time.Hour); err != nil {
		t.Error(err)
	}
	if err := cacheStoreOn(t, own, 0).Clear(t.Context()); err != nil {
		t.Error(err)
	}
	var db atomic.Int64
	one, two := newInstance(t, own, &db, redis.InvalidationsConfig{}), newInstance(t, own, &db, redis.InvalidationsConfig{})
	two.wantFresh("before the expiry")
	one.change()
	two.wantFresh("after the expiry")
	other := s.engine(user, func(c *redis.Config) { c.Prefix = "bank:" })
	if err := other.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), take, make([]security.RateResult, 1)); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("another's prefix: %v", err)
	}
}

// sentinel starts a Sentinel that watches s under the name main, and returns its address.
func sentinel(t *testing.T, s *server, more ...string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.address)
	address := freeAddress(t)
	_, own, _ := net.SplitHostPort(address)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	lines := append([]string{"port " + own, "bind 127.0.0.1", "sentinel monitor main " + host + " " + port + " 1"}, more...)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command("redis-server", file, "--sentinel")
	process.Stdout = io.Discard
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	eventually(t, "the Sentinel listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address
}

// The primary dies, the Sentinel makes its replica the primary: the engine follows, and what the replica had is there.
func TestASentinelFailover(t *testing.T) {
	primary, replica := start(t), start(t)
	host, port, _ := net.SplitHostPort(primary.address)
	if err := replica.do("REPLICAOF", host, port).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica follows", func() bool {
		info, _ := replica.do("INFO", "replication").ToString()
		return strings.Contains(info, "master_link_status:up")
	})
	address := sentinel(t, primary, "sentinel down-after-milliseconds main 2000", "sentinel failover-timeout main 3000")
	eventually(t, "the Sentinel knows the replica", func() bool {
		info, _ := (&server{t: t, address: address}).do("INFO", "sentinel").ToString()
		return strings.Contains(info, "slaves=1")
	})
	p := piecesOf(t, engineAt(t, func(c *redis.Config) {
		c.Addresses, c.MasterSet, c.Timeout = []string{address}, "main", 2*time.Second
	}))
	eventually(t, "the session is put", func() bool { return p.sess.Put(t.Context(), sessionRecord("a", time.Hour, "user:ann")) == nil })
	eventually(t, "the mark is spent", func() bool { first, err := p.marks.Spend(t.Context(), "a", time.Hour); return err == nil && first })
	save(t, p.cache, "before")
	eventually(t, "the local tier has the entry", func() bool { return tagOf(t, p.cache) == "before" && p.cache.Usage().Entries == 1 })
	eventually(t, "the replica has all of it", func() bool { n, _ := replica.do("DBSIZE").AsInt64(); return n == 4 })
	primary.kill()
	eventually(t, "the new primary answers", func() bool { return p.sess.Put(t.Context(), sessionRecord("b", time.Hour, "user:ann")) == nil })
	if _, found, err := p.sess.Get(t.Context(), "a"); !found || err != nil {
		t.Errorf("a session from before: %v, %v", found, err)
	}
	if first, err := p.marks.Spend(t.Context(), "a", time.Hour); first || err != nil {
		t.Errorf("a mark from before: %v, %v", first, err)
	}
	for name, call := range p.calls() {
		eventually(t, name+" works", func() bool { return call(t.Context()) == nil })
	}
	other := cacheStoreOn(t, replica.engine(), 0)
	save(t, other, "after")
	eventually(t, "changes on the new primary are told", func() bool { return tagOf(t, p.cache) == "after" })
}

func TestThePrimaryIsFoundThroughSentinel(t *testing.T) {
	s := start(t)
	address := sentinel(t, s)
	e := engineAt(t, func(c *redis.Config) { c.Addresses, c.MasterSet = []string{address}, "main" })
	eventually(t, "the Sentinel knows the primary", func() bool { return e.Ping(t.Context()) == nil })
	take := []security.RateTake{{Key: "a", Interval: time.Hour, Burst: 5, Cost: 1}}
	if err := e.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), take, make([]security.RateResult, 1)); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.do("DBSIZE").AsInt64(); n != 1 {
		t.Errorf("%d keys on the primary", n)
	}
}

// cluster starts three nodes that share the slots, and returns their addresses.
func cluster(t *testing.T) []string {
	t.Helper()
	var addresses []string
	for _, slots := range [][2]int{{0, 5000}, {5001, 11000}, {11001, 16383}} {
		s, bus := startNode(t)
		add := []string{"CLUSTER", "ADDSLOTS"}
		for slot := slots[0]; slot <= slots[1]; slot++ {
			add = append(add, strconv.Itoa(slot))
		}
		if err := s.do(add...).Error(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(s.address)
		for _, other := range addresses {
			if err := (&server{t: t, address: other}).do("CLUSTER", "MEET", host, port, bus).Error(); err != nil {
				t.Fatal(err)
			}
		}
		addresses = append(addresses, s.address)
	}
	for _, address := range addresses {
		eventually(t, "the nodes know each other", func() bool {
			info, _ := (&server{t: t, address: address}).do("CLUSTER", "INFO").ToString()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return addresses
}

func TestEachPieceWorksInACluster(t *testing.T) {
	addresses := cluster(t)
	e := engineAt(t, func(c *redis.Config) { c.Addresses = addresses })
	two := []security.RateTake{
		{Key: "ip:one", Interval: time.Hour, Burst: 5, Cost: 1},
		{Key: "user:two", Interval: time.Hour, Burst: 5, Cost: 1},
	}
	states := make([]security.RateResult, 2)
	if err := e.NewRateStore(redis.RateStoreConfig{}).Take(t.Context(), two, states); err != nil || states[1].Remaining != 4 {
		t.Errorf("buckets of two clients: %+v, %v", states, err)
	}
	for i := range 30 {
		client := strconv.Itoa(i)
		two[0].Key, two[1].Key = "day:"+client, "burst:"+client
		if err := e.NewRateStore(redis.RateStoreConfig{Spread: true}).Take(t.Context(), two, states); err != nil || states[1].Remaining != 4 {
			t.Errorf("two buckets of one client: %+v, %v", states, err)
		}
	}
	d := e.NewDeduper()
	for i := range 30 {
		key := webhook.NewKey("test", []byte(strconv.Itoa(i)))
		c, err := d.Claim(t.Context(), key, time.Minute)
		if err = errors.Join(err, d.Confirm(t.Context(), key, c, time.Minute)); err != nil {
			t.Error(err)
		}
		if c, err := d.Claim(t.Context(), key, time.Minute); err != nil || c.State != webhook.ClaimDone {
			t.Errorf("%+v, %v", c, err)
		}
	}
	sessions := sessionsOn(t, e, 2)
	for i := range 4 {
		if err := sessions.Put(t.Context(), sessionRecord(strconv.Itoa(i), time.Hour, "user:ann", "sid:"+strconv.Itoa(i))); err != nil {
			t.Error(err)
		}
	}
	if n, err := sessions.DeleteLinked(t.Context(), "user:ann"); n != 2 || err != nil {
		t.Errorf("DeleteLinked = %d, %v", n, err)
	}
	for i := range 10 {
		if first, err := e.NewMarks().Spend(t.Context(), strconv.Itoa(i), time.Hour); !first || err != nil {
			t.Error(first, err)
		}
	}
	store, other := cacheStoreOf(t, e, redis.CacheStoreConfig{}), cacheStoreOn(t, e, 0)
	for i := range 10 { // the node of each key tells of its changes
		key := strconv.Itoa(i)
		if err := store.Save(t.Context(), key, entryOf(t, i, "old")); err != nil {
			t.Error(err)
		}
		eventually(t, "the local tier has the entries", func() bool {
			for j := range i + 1 { // a word of a change that comes late, or on two connections, takes one out that is good
				if e, err := store.Load(t.Context(), strconv.Itoa(j)); err != nil || e == nil {
					return false
				}
			}
			return store.Usage().Entries == i+1
		})
		lease, err := other.Lease(t.Context(), key, revalidate.LeaseQuestion{Began: time.Now(), Life: time.Minute})
		if err != nil || lease == nil || lease.Save(t.Context(), entryOf(t, i, "new")) != nil {
			t.Error(lease, err)
		}
		eventually(t, "the change is seen", func() bool {
			e, err := store.Load(t.Context(), key)
			return err == nil && e != nil && e.Tags()[0] == "new"
		})
	}
	for i := range 10 {
		if err := store.Save(t.Context(), strconv.Itoa(i), entryOf(t, i)); err != nil {
			t.Error(err)
		}
	}
	if err := store.Clear(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range 10 {
		if entry, err := store.Load(t.Context(), strconv.Itoa(i)); entry != nil || err != nil {
			t.Errorf("after Clear: %v, %v", entry, err)
		}
	}
	var db atomic.Int64
	here, there := newInstance(t, e, &db, redis.InvalidationsConfig{}), newInstance(t, e, &db, redis.InvalidationsConfig{})
	there.wantFresh("before the expiry")
	here.change()
	there.wantFresh("after the expiry")
	for _, address := range addresses {
		if n, _ := (&server{t: t, address: address}).do("DBSIZE").AsInt64(); n == 0 {
			t.Errorf("no keys on one of three nodes")
		}
	}
}
