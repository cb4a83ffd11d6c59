package redis

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Defaults and bounds of Config.
const (
	defaultPrefix     = "gatehouse:"
	maxPrefix         = 64
	defaultTimeout    = 500 * time.Millisecond
	maxTimeout        = time.Minute
	defaultMaxPending = 512
	// maxMaxPending is how many commands fit in the queue of one of the client's connections: beyond it they would wait for room.
	maxMaxPending = 1024
)

// Password is a password that does not print: fmt, slog and JSON show "[redacted]" in its place.
type Password string

const redacted = "[redacted]"

// Format writes "[redacted]" whatever the verb.
func (Password) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (Password) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Config says where the server is and how long to wait for it.
type Config struct {
	// Addresses are host:port of the server; of some nodes of a Cluster, which tell the others; or, with MasterSet, of the
	// Sentinels. More than one address without MasterSet means a Cluster. Required.
	Addresses []string

	// MasterSet is the name under which Sentinels watch the primary. Empty means that there are none.
	MasterSet string

	// Username is the ACL user. Empty means the server's default user.
	Username string

	// Password is that of Username. Empty means that none is sent.
	Password Password

	// SentinelUsername and SentinelPassword are those for the Sentinels, where they ask for one. Only with MasterSet.
	SentinelUsername string
	// SentinelPassword is that of SentinelUsername.
	SentinelPassword Password

	// TLS is how connections are encrypted, to Sentinels too. Nil means not at all: for a server on the same machine, or
	// on a network that nobody else is on.
	TLS *tls.Config

	// DB is the number of the database. A Cluster has 0 alone. Zero is 0.
	DB int

	// Prefix begins every key, so that applications on one server do not meet, and an ACL user can be kept to it: at most 64 bytes
	// of printable ASCII without spaces, braces and the characters *?[]\ of patterns. Empty means "gatehouse:".
	Prefix string

	// Timeout bounds each call, connecting included, where the caller's context does not end before. Zero means 500 ms;
	// from 1 ms to 1 min.
	Timeout time.Duration

	// MaxPending bounds the calls that wait for the server at one moment; one more fails at once with [ErrBusy]. Zero
	// means 512; at most 1024.
	MaxPending int

	// OnDegraded, if not nil, is called with the error when the server begins to be out, and with nil when it answers again. A
	// call waits for it to return.
	OnDegraded func(error)

	// Logger is told the same, once per change. Nil means slog.Default().
	Logger *slog.Logger
}

// checked returns c with its defaults, or every mistake in it.
func (c Config) checked() (Config, error) {
	bad := invalid.Config{Package: "redis"}
	if len(c.Addresses) == 0 {
		bad.Hidden("Addresses", "must name a server")
	}
	for i, address := range c.Addresses {
		if !isAddress(address) {
			// A URL put here by mistake may carry a password: the value is not printed.
			bad.Hidden("Addresses["+strconv.Itoa(i)+"]", "must be host:port")
		}
	}
	if c.Password == "" && c.Username != "" {
		bad.Hidden("Password", "must be given with Username")
	}
	if c.MasterSet == "" && (c.SentinelUsername != "" || c.SentinelPassword != "") {
		bad.Hidden("SentinelPassword", "must be left out, with SentinelUsername, where there is no MasterSet")
	}
	if c.SentinelPassword == "" && c.SentinelUsername != "" {
		bad.Hidden("SentinelPassword", "must be given with SentinelUsername")
	}
	if c.DB < 0 {
		bad.Field("DB", c.DB, "must not be negative")
	}
	if len(c.Addresses) > 1 && c.MasterSet == "" && c.DB > 0 {
		bad.Field("DB", c.DB, "must be 0 in a Cluster")
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if len(c.Prefix) > maxPrefix || strings.ContainsFunc(c.Prefix, isNoPrefix) {
		bad.Field("Prefix", c.Prefix, `must be at most 64 bytes of printable ASCII without spaces and {}*?[]\`)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < time.Millisecond || c.Timeout > maxTimeout {
		bad.Field("Timeout", c.Timeout, "must be from 1ms to 1m")
	}
	if c.MaxPending == 0 {
		c.MaxPending = defaultMaxPending
	}
	if c.MaxPending < 1 || c.MaxPending > maxMaxPending {
		bad.Field("MaxPending", c.MaxPending, "must be from 1 to 1024")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, bad.Err()
}

func isAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, "@/ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func isNoPrefix(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`{}*?[]\`, r) }
