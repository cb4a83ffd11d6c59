package console

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

// Ledger is what the console looks into and decides about. Every inbox is one.
type Ledger interface {
	inbox.Browser
	inbox.Operator
}

// Config configures a [Console]. Access is required.
type Config struct {
	// Access returns the name of the user who makes a request, or an error for who may not see the console: it is answered with the
	// status of its StatusCode method, 403 where it has none. It is asked for every request, and the name stands in the ledger beside
	// each decision, so it must not be empty. Where a challenge or a sign-in page is to be sent, put the application's own
	// middleware in front, and have Access return what that established. Required.
	Access func(*http.Request) (user string, err error)

	// Prefix is the path below which requests arrive, such as "/console", where neither http.ServeMux nor http.StripPrefix says so.
	// Empty means that one of them does.
	Prefix string

	// Title names the ledger in each page. Empty means "Inbox".
	Title string

	// HideFields are the members of payloads whose values are not shown: names, which count in any letter case at any depth, or
	// JSON Pointers (RFC 6901) that begin with a slash, in which a segment * stands for any. They apply to JSON and form bodies and to query
	// parameters. Where there are any, a body of another kind is not shown at all: they cannot be looked for in it. Nil hides none.
	HideFields []string

	// HideHeaders are names of header fields whose values are not shown, beside those that look like credentials. Nil adds none.
	HideHeaders []string

	// MaxShown is how many bytes of a body are shown, 1 KiB to 16 MiB. Zero means 256 KiB.
	MaxShown int

	// MaxStreams is how many pages are kept up to date at once; others show what was there when they were opened. Zero means
	// 32, below zero none.
	MaxStreams int

	// Logger gets one line for each decision, and the causes of failures. Nil means slog.Default().
	Logger *slog.Logger
}

// Console is an [http.Handler] that shows an inbox. It is safe for concurrent use.
type Console struct {
	ledger   Ledger
	access   func(*http.Request) (string, error)
	prefix   string
	title    string
	hidden   rules
	headers  map[string]bool
	maxShown int
	logger   *slog.Logger
	origins  http.CrossOriginProtection

	streams chan struct{} // has a token for each stream under way
	closed  chan struct{}
	close   sync.Once
}

// New returns a Console over l, or every mistake in c. Call [Console.Close] when the server ends.
func New(l Ledger, c Config) (*Console, error) {
	bad := invalid.Config{Package: "console"}
	if l == nil {
		bad.Hidden("Ledger", "must not be nil")
	}
	if c.Access == nil {
		bad.Hidden("Access", "must say who may see the console")
	}
	if c.Prefix != "" && (c.Prefix[0] != '/' || strings.HasSuffix(c.Prefix, "/") || strings.Contains(c.Prefix, "//")) {
		bad.Field("Prefix", c.Prefix, "must begin with a slash, and not end in one")
	}
	if c.Title == "" {
		c.Title = "Inbox"
	}
	if c.MaxShown == 0 {
		c.MaxShown = 256 << 10
	}
	if c.MaxShown < 1<<10 || c.MaxShown > 16<<20 {
		bad.Field("MaxShown", c.MaxShown, "must be 1 KiB to 16 MiB")
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 32
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Console{
		ledger: l, access: c.Access, prefix: c.Prefix, title: c.Title, maxShown: c.MaxShown, logger: c.Logger,
		headers: map[string]bool{}, streams: make(chan struct{}, max(c.MaxStreams, 0)), closed: make(chan struct{}),
	}
	for i, name := range c.HideFields {
		if !s.hidden.add(name) {
			bad.Field("HideFields["+strconv.Itoa(i)+"]", name, "must be a name, or a JSON Pointer")
		}
	}
	for i, name := range c.HideHeaders {
		if name == "" {
			bad.Hidden("HideHeaders["+strconv.Itoa(i)+"]", "must not be empty")
		}
		s.headers[http.CanonicalHeaderKey(name)] = true
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the streams by which pages are kept up to date, for [http.Server.RegisterOnShutdown]: Shutdown waits for them otherwise. The
// pages work on. It may be called more than once.
func (c *Console) Close() { c.close.Do(func() { close(c.closed) }) }

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	v := visit{console: c, w: w, r: r}
	var known bool
	v.path, v.base, known = c.locate(r)
	user, err := c.access(r)
	if err == nil && user == "" {
		err = errNobody
	}
	if err != nil {
		v.refuse(withStatus(err, http.StatusForbidden))
		return
	}
	v.user = user
	page, found := find(v.path)
	if !known || !found {
		v.refuse(errNoPage)
		return
	}
	v.serve(page)
}
