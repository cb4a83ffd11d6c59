package gatehouse

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

// ExportConfig says what [Export] writes and where.
type ExportConfig struct {
	// Handler serves the site, as in production: a mux, with its middlewares. Required.
	Handler http.Handler
	// Paths are the URL paths to export, such as "/" and "/blog/first". Each begins with a slash and has neither query
	// nor fragment. Required.
	Paths []string
	// Dir is the folder to write. It must be absent, empty, or an earlier export, which is replaced as a whole. Its
	// parent must exist. Required.
	Dir string

	// FollowLinks exports also what the exported HTML links to on the same site: pages, style sheets, scripts, images. Links
	// with a query cannot become files; the report lists them.
	FollowLinks bool
	// IndexFiles writes the page at /about to about/index.html. Without it the file is about.html.
	IndexFiles bool
	// BaseURL is the origin that handlers see in the request and that makes an absolute link one of the same site, such
	// as "https://example.com". Empty means "http://localhost".
	BaseURL string

	// Workers is how many pages are made at once. Zero means one a CPU.
	Workers int
	// Timeout bounds the making of one page. Zero means 30 seconds.
	Timeout time.Duration
	// MaxBytes bounds one page. Zero means 32 MiB.
	MaxBytes int64
	// MaxPages bounds the whole site, against links that never end. Zero means 100,000.
	MaxPages int
	// Progress, if not nil, is told of each page made, one call at a time. done counts the pages made so far and known
	// those found so far.
	Progress func(page ExportedPage, done, known int)
}

// check fills in defaults and returns the base and the paths, or every mistake.
func (c *ExportConfig) check() (base *url.URL, paths []*url.URL, err error) {
	bad := invalid.Config{Package: "gatehouse"}
	if c.Handler == nil {
		bad.Hidden("ExportConfig.Handler", "must not be nil")
	}
	if len(c.Paths) == 0 {
		bad.Hidden("ExportConfig.Paths", "must name at least one path")
	}
	for i, path := range c.Paths {
		if u, err := url.ParseRequestURI(path); err != nil || !strings.HasPrefix(path, "/") || u.RawQuery != "" || u.ForceQuery || strings.Contains(path, "#") {
			bad.Field(fmt.Sprintf("ExportConfig.Paths[%d]", i), path, "must be a path that begins with a slash, without query and fragment")
		} else if err := urlpath.Check(u); err != nil {
			bad.Field(fmt.Sprintf("ExportConfig.Paths[%d]", i), path, "must have one reading: "+err.Error())
		} else {
			paths = append(paths, u)
		}
	}
	if c.Dir == "" {
		bad.Hidden("ExportConfig.Dir", "must not be empty")
	}
	for _, n := range []struct {
		field string
		value int64
	}{
		{"Workers", int64(c.Workers)},
		{"Timeout", int64(c.Timeout)},
		{"MaxBytes", c.MaxBytes},
		{"MaxPages", int64(c.MaxPages)},
	} {
		if n.value < 0 {
			bad.Field("ExportConfig."+n.field, n.value, "must not be negative")
		}
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://localhost"
	}
	base, err = url.Parse(c.BaseURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.Path != "" && base.Path != "/" || base.RawQuery != "" || base.Fragment != "" {
		bad.Field("ExportConfig.BaseURL", c.BaseURL, "must be an http or https origin")
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 32 << 20
	}
	if c.MaxPages == 0 {
		c.MaxPages = 100_000
	}
	return base, paths, bad.Err()
}
