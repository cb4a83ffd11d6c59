package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/redis"
	"github.com/gatehouse-go/gatehouse/revalidate"
	"github.com/gatehouse-go/gatehouse/security"
	"github.com/go-chi/httprate"
	httprateredis "github.com/go-chi/httprate-redis"
	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislimiter"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// redisBench is a redis-server of the run's own, and what is measured on it.
type redisBench struct {
	address string
	process *exec.Cmd
}

// startRedis starts a server, which stop ends.
func startRedis() (*redisBench, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for a moment
	if err != nil {
		return nil, err
	}
	b := &redisBench{address: l.Addr().String()}
	_, port, err := net.SplitHostPort(b.address)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	b.process = exec.Command(binary, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no") //nolint:gosec,noctx // ends by stop
	if err := b.process.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		if c, err := net.Dial("tcp", b.address); err == nil { //nolint:noctx // as above
			return b, c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.stop()
	return nil, errors.New("redis-server does not listen")
}

func (b *redisBench) stop() {
	_ = b.process.Process.Kill()
	_ = b.process.Wait()
}

func (b *redisBench) engine() *redis.Engine {
	return made(redis.New(redis.Config{Addresses: []string{b.address}, Timeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)}))
}

func (b *redisBench) option() rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: []string{b.address}, PipelineMultiplex: -1}
}

func (b *redisBench) goRedis() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: b.address})
}

// cases measure what one call costs where 64 callers wait for one server: a second divided by it is how many there are in one.
func (b *redisBench) cases() []measure.Case {
	return []measure.Case{
		b.rateCase("rate limit on Redis, 64 callers, 1,000 clients within it", 1_000_000_000, func(n int64) string { return "client" + strconv.FormatInt(n%1000, 10) }),
		b.rateCase("rate limit on Redis, 64 callers, one client far over it", 1, func(int64) string { return "flood" }),
		b.cacheCase(),
	}
}

// rateCase measures decisions about the clients that client names.
func (b *redisBench) rateCase(name string, limit int, client func(n int64) string) measure.Case {
	ctx := context.Background()
	raw := made(rueidis.NewClient(b.option()))
	bars := []measure.Bar{{Quantity: measure.Nanoseconds, AtMost: float64(time.Second / 50_000)}}
	contenders := []measure.Contender{{Name: "rueidis INCR", Kind: measure.Limit, Do: warm(func(n int64) {
		must(raw.Do(ctx, raw.B().Incr().Key("incr:"+client(n)).Build()).Error())
	})}}
	for _, d := range b.deciders(limit) {
		contenders = append(contenders, measure.Contender{Name: d.name, Kind: d.kind, Do: warm(func(n int64) { d.decide(client(n)) })})
	}
	return measure.Case{Name: name, Bars: bars, Contenders: contenders}
}

// decider is a rate limit of so many an hour, by which decide admits a client or not.
type decider struct {
	name   string
	kind   measure.Kind
	decide func(client string) bool
}

func (b *redisBench) deciders(limit int) []decider {
	ctx := context.Background()
	limited := rueidisLimiter(b, limit)
	goRate := redis_rate.NewLimiter(b.goRedis())
	chi := httprate.NewRateLimiter(limit, time.Hour, httprateredis.WithRedisLimitCounter(&httprateredis.Config{Client: b.goRedis(), FallbackDisabled: true}))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	return []decider{
		{"gatehouse engines/redis", measure.Ours, ours(b.engine().NewRateStore(redis.RateStoreConfig{}), "", limit)},
		{"gatehouse engines/redis, AskAlways", measure.Ours, ours(b.engine().NewRateStore(redis.RateStoreConfig{AskAlways: true}), "always:", limit)},
		{"rueidislimiter", measure.Peer, func(client string) bool { return made(limited.Allow(ctx, client)).Allowed }},
		{"redis_rate", measure.Peer, func(client string) bool {
			return made(goRate.Allow(ctx, client, redis_rate.Limit{Rate: limit, Burst: limit, Period: time.Hour})).Allowed > 0
		}},
		{"httprate-redis", measure.Peer, func(client string) bool {
			return !chi.OnLimit(&discardWriter{header: http.Header{}}, r, client)
		}},
	}
}

func rueidisLimiter(b *redisBench, limit int) rueidislimiter.RateLimiterClient {
	return made(rueidislimiter.NewRateLimiter(rueidislimiter.RateLimiterOption{ClientOption: b.option(), KeyPrefix: "rueidislimiter", Limit: limit, Window: time.Hour}))
}

// ours decides by a store alone, as the others do: what a middleware costs is measured under security.
func ours(store security.RateStore, policy string, limit int) func(string) bool {
	interval := max(time.Hour/time.Duration(limit), 1)
	return func(client string) bool {
		var states [1]security.RateResult
		must(store.Take(context.Background(), []security.RateTake{{Key: policy + client, Interval: interval, Burst: limit, Cost: 1}}, states[:]))
		return states[0].Allowed
	}
}

// cacheCase measures reads of an entry of about 1 KiB.
func (b *redisBench) cacheCase() measure.Case {
	ctx := context.Background()
	raw := made(rueidis.NewClient(b.option()))
	must(raw.Do(ctx, raw.B().Set().Key("plain").Value(strings.Repeat("x", 1<<10)).Build()).Error())
	type post struct{ Title, Body string }
	get := func(c redis.CacheStoreConfig) func(int64) {
		cache := made(revalidate.New(revalidate.Config{Store: made(b.engine().NewCacheStore(c))}))
		return func(int64) {
			v, err := revalidate.Get(ctx, cache, "post", revalidate.Options{Tags: []string{"posts"}}, func(context.Context) (post, error) {
				return post{"Hello", strings.Repeat("x", 1<<10)}, nil
			})
			must(err)
			if v.Title != "Hello" {
				panic("not the post")
			}
		}
	}
	return measure.Case{
		Name: "cached read of 1 KiB, 64 callers",
		Contenders: []measure.Contender{
			{Name: "rueidis GET", Kind: measure.Limit, Do: warm(func(int64) { must(raw.Do(ctx, raw.B().Get().Key("plain").Build()).Error()) })},
			{Name: "gatehouse Get, local tier", Kind: measure.Ours, Do: warm(get(redis.CacheStoreConfig{}))},
			{Name: "gatehouse Get, RemoteOnly", Kind: measure.Ours, Do: warm(get(redis.CacheStoreConfig{RemoteOnly: true}))},
			{Name: "rueidis DoCache, bytes", Kind: measure.Peer, Do: warm(func(int64) {
				must(raw.DoCache(ctx, raw.B().Get().Key("plain").Cache(), time.Hour).Error())
			})},
		},
	}
}

// warm is fromProducers with the connections made, which would count as the first job's time.
func warm(do func(number int64)) func(int) {
	run := fromProducers(do)
	run(10 * producers)
	return run
}

// facts are figures that are no times.
func (b *redisBench) facts() []string {
	return append(b.exactness(), b.tagMemory()...)
}

// exactness counts what 8 instances admit of 2,000 attempts where the limit is 100.
func (b *redisBench) exactness() []string {
	const instances, attempts, limit = 8, 250, 100
	sets := make([][]decider, instances)
	for i := range sets {
		sets[i] = b.deciders(limit)
	}
	var lines []string
	for d := range sets[0] {
		var admitted atomic.Int64
		var all sync.WaitGroup
		for _, set := range sets {
			for range 5 {
				all.Go(func() {
					for range attempts / 5 {
						if set[d].decide("exact") {
							admitted.Add(1)
						}
					}
				})
			}
		}
		all.Wait()
		lines = append(lines, fmt.Sprintf("8 instances, limit 100, 2,000 attempts: %-36s admitted %d", sets[0][d].name, admitted.Load()))
	}
	return lines
}

// tagMemory tells how much the server holds for 1,000 entries when they have had few tags, and when they have had a million.
func (b *redisBench) tagMemory() []string {
	const entries, tags = 1000, 1_000_000
	ctx := context.Background()
	engine := b.engine()
	defer engine.Close()
	news := made(engine.NewInvalidations(redis.InvalidationsConfig{}))
	cache := made(revalidate.New(revalidate.Config{Store: made(engine.NewCacheStore(redis.CacheStoreConfig{})), OnInvalidate: news.Announce}))
	raw := made(rueidis.NewClient(b.option()))
	defer raw.Close()
	must(raw.Do(ctx, raw.B().Flushall().Build()).Error())
	// use sets entries with tags that were never used before, and expires those that they had.
	use := fromProducers(func(n int64) {
		key, tag := "entry"+strconv.FormatInt(n%entries, 10), "tag"+strconv.FormatInt(n, 10)
		must(cache.ExpireTag(ctx, "tag"+strconv.FormatInt(n-entries, 10)))
		must(revalidate.Set(ctx, cache, key, revalidate.Options{Tags: []string{tag}}, n))
	})
	// held returns the server's memory and keys.
	held := func() (bytes, keys int64) {
		memory := made(raw.Do(ctx, raw.B().Info().Section("memory").Build()).ToString())
		_, rest, _ := strings.Cut(memory, "used_memory_dataset:")
		number, _, _ := strings.Cut(rest, "\r")
		return made(strconv.ParseInt(number, 10, 64)), made(raw.Do(ctx, raw.B().Dbsize().Build()).AsInt64())
	}
	var lines []string
	done := 0
	for _, n := range []int{2 * entries, tags} {
		use(n - done)
		done = n
		bytes, keys := held()
		lines = append(lines, fmt.Sprintf("%d entries live, %d tags used and expired: Redis holds %d keys, dataset of %.2f MB", entries, n, keys, float64(bytes)/1e6))
	}
	return lines
}
