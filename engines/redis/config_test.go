package redis_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := redis.New(redis.Config{
		Addresses: []string{"redis://app:hunter2@host:6379", "host:0", "host", ":6379"}, Username: "app", SentinelUsername: "s", DB: -1,
		Prefix: "a{b}:", Timeout: -1, MaxPending: 1025,
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		"redis: Addresses[0] must be host:port",
		"redis: Addresses[1] must be host:port",
		"redis: Addresses[2] must be host:port",
		"redis: Addresses[3] must be host:port",
		"redis: Password must be given with Username",
		"redis: SentinelPassword must be left out, with SentinelUsername, where there is no MasterSet",
		"redis: SentinelPassword must be given with SentinelUsername",
		"redis: DB = -1 must not be negative",
		`redis: Prefix = "a{b}:" must be at most 64 bytes of printable ASCII without spaces and {}*?[]\`,
		"redis: Timeout = -1ns must be from 1ms to 1m",
		"redis: MaxPending = 1025 must be from 1 to 1024",
	}
	if got := err.Error(); got != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestNewRefusesEachMistakeAlone(t *testing.T) {
	for name, c := range map[string]redis.Config{
		"no address":                {},
		"a database of a Cluster":   {Addresses: []string{"a:1", "b:1"}, DB: 1},
		"a Sentinel without a name": {Addresses: []string{"a:1"}, SentinelPassword: "x"},
		"a long prefix":             {Addresses: []string{"a:1"}, Prefix: strings.Repeat("p", 65)},
		"a prefix with a space":     {Addresses: []string{"a:1"}, Prefix: "a b"},
		"a prefix that matches":     {Addresses: []string{"a:1"}, Prefix: "a*"},
		"a prefix beyond ASCII":     {Addresses: []string{"a:1"}, Prefix: "é"},
		"a timeout of an hour":      {Addresses: []string{"a:1"}, Timeout: time.Hour},
		"no room for a call":        {Addresses: []string{"a:1"}, MaxPending: -1},
	} {
		if e, err := redis.New(c); err == nil {
			e.Close()
			t.Errorf("%s: no error", name)
		}
	}
	e, err := redis.New(redis.Config{
		Addresses: []string{"[::1]:26379", "sentinel.example:26379"}, MasterSet: "main", DB: 3, Username: "app", Password: "x",
		SentinelUsername: "s", SentinelPassword: "y", TLS: &tls.Config{MinVersion: tls.VersionTLS13}, Prefix: "shop:", Timeout: time.Second, MaxPending: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	e.Close() // closing twice does no harm
}

func TestPasswordsDoNotPrint(t *testing.T) {
	const secret = "correct horse battery"
	c := redis.Config{Password: secret, SentinelPassword: secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, c, c.Password)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("config", "config", c.Password)
	text, err := json.Marshal(struct{ Password redis.Password }{secret})
	out.Write(text)
	if err != nil || strings.Contains(out.String(), "horse") || strings.Contains(out.String(), fmt.Sprintf("%x", "horse")) || strings.Count(out.String(), "[redacted]") < 9 {
		t.Errorf("%v: %s", err, out.String())
	}
}
