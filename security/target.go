package security

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

// ErrHost is the reason for which a request to a host that is not served here is refused. It is answered 421 (RFC 9110, section 15.5.20).
var ErrHost = refusal.New(http.StatusMisdirectedRequest, "host is not served here")

// TargetConfig says which requests are for this server.
type TargetConfig struct {
	// Hosts are the hosts that it serves, in lower case: "example.com", which also stands for its ports 80 and 443,
	// "example.com:8443", "localhost:*" for any port, or "*.example.com" for every name below. Required, unless InsecureAnyHost.
	Hosts []string

	// InsecureAnyHost accepts any well-formed host, and HTTP/1.0 requests without one. Links that an application makes of it, as in a mail that resets a
	// password, then lead where the client says.
	InsecureAnyHost bool

	// OnError answers a refused request. Nil means a problem answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the causes. Nil means slog.Default().
	Logger *slog.Logger
}

// Target refuses requests for other hosts, and paths that two readers could understand in two ways. It is safe for
// concurrent use.
//
// In a chain it stands before all that judges or uses the host or the path.
type Target struct {
	hosts    map[string]bool // with the port where it is not a default one
	anyPort  map[string]bool
	suffixes map[string]bool // ".example.com"
	any      bool
	refuser  refuser
}

// NewTarget returns a Target, or every mistake in c.
func NewTarget(c TargetConfig) (*Target, error) {
	bad := invalid.Config{Package: "security"}
	t := &Target{hosts: map[string]bool{}, anyPort: map[string]bool{}, suffixes: map[string]bool{}, any: c.InsecureAnyHost}
	if len(c.Hosts) == 0 && !c.InsecureAnyHost {
		bad.Hidden("TargetConfig.Hosts", "must name the hosts that are served")
	}
	for i, text := range c.Hosts {
		name, anyPort := strings.CutSuffix(text, ":*")
		name, below := strings.CutPrefix(name, "*.")
		host, port, ok := splitHost(name)
		if !ok || anyPort && below || host != name && (anyPort || below) || below && host[0] == '[' || name != strings.ToLower(name) {
			bad.Field("TargetConfig.Hosts["+strconv.Itoa(i)+"]", text, "must be a host in lower case with an optional port, or begin with *., or end in :*")
			continue
		}
		switch {
		case anyPort:
			t.anyPort[host] = true
		case below:
			t.suffixes["."+host] = true
		case port == "":
			t.hosts[host] = true
			t.hosts[host+":80"] = true
			t.hosts[host+":443"] = true
		default:
			t.hosts[name] = true
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	t.refuser = newRefuser("target", c.OnError, c.Logger)
	return t, nil
}

// Check returns nil when r is for a host that is served here and its path has one reading. The error is, or wraps, [ErrHost], or is
// one answered 400.
func (t *Target) Check(r *http.Request) error {
	if !t.hosts[r.Host] && !t.serves(strings.ToLower(r.Host)) {
		return &originError{ErrHost, r.Host}
	}
	return urlpath.Check(r.URL)
}

func (t *Target) serves(text string) bool {
	host, port, ok := splitHost(text)
	if !ok {
		return t.any && text == "" // HTTP/1.0 has no Host field
	}
	if t.any || t.hosts[text] || t.anyPort[host] {
		return true
	}
	if port != "" && port != "80" && port != "443" {
		return false
	}
	for i := range len(host) {
		if host[i] == '.' && i > 0 && t.suffixes[host[i:]] {
			return true
		}
	}
	return false
}

// splitHost takes a Host field apart (RFC 9110, section 7.2); port is empty where there is none.
func splitHost(s string) (host, port string, ok bool) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if !isPort(port) {
			return "", "", false
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host, port, isIPv6(host[1 : len(host)-1])
	}
	return host, port, isDomain(strings.TrimSuffix(host, "."))
}

// Wrap returns a handler that passes to next the requests that are for this server.
func (t *Target) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := t.Check(r); err != nil {
			t.refuser.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
