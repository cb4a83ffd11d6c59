package cdn

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// FastlyConfig says how a [Fastly] works. Service and Token are required.
type FastlyConfig struct {
	Service string // id of the service
	Token   string // API token with the scope purge_select; for PurgeAll purge_all too

	// Hosts are the names under which the site is reached, such as "www.example.com": a URL is purged under each. Empty means the host that the
	// URL has, which is right where Fastly passes the host on.
	Hosts []string

	// API is the address of the API. Empty means https://api.fastly.com.
	API string
	// Client sends the requests. Nil means http.DefaultClient. In either case redirects are not followed.
	Client *http.Client
	// Timeout bounds one request. Zero means 10 s.
	Timeout time.Duration
}

// A Fastly purges surrogate keys at Fastly (fastly.com/documentation/reference/api/purging): softly, which leaves them to be
// served stale, for [revalidate.ModeStaleWhileRevalidate], and at once for [revalidate.ModeExpire]. URLs are purged at once, whatever their scheme, and so
// is everything of the service where the invalidation says so, for which Fastly has no soft way. Paths, prefixes and cache groups are
// [ErrUnsupported]; the tags and URLs beside them are purged all the same.
type Fastly struct {
	client
	api    string
	target string
	token  string
	hosts  []string
}

// fastlyKeys is how many keys one request purges.
const fastlyKeys = 256

// NewFastly returns a sender. The error joins every mistake in c and repeats no token.
func NewFastly(c FastlyConfig) (*Fastly, error) {
	mistakes := invalid.Config{Package: "cdn"}
	if c.Service == "" {
		mistakes.Hidden("Service", "is required")
	}
	if c.Token == "" {
		mistakes.Hidden("Token", "is required")
	}
	api := checkAPI(&mistakes, c.API, "https://api.fastly.com")
	checkHosts(&mistakes, c.Hosts)
	f := &Fastly{
		client: newClient(c.Client, c.Timeout, &mistakes), token: c.Token, hosts: slices.Clone(c.Hosts),
		api: api, target: api + "/service/" + url.PathEscape(c.Service) + "/purge",
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

// checkAPI returns the address of an API without a slash at its end.
func checkAPI(mistakes *invalid.Config, api, def string) string {
	if api == "" {
		return def
	}
	if u, err := url.Parse(api); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		mistakes.Field("API", api, "must be an absolute http or https URL")
	}
	return strings.TrimRight(api, "/")
}

// Send purges the tags and URLs of inv, or everything.
func (f *Fastly) Send(ctx context.Context, inv revalidate.Invalidation) error {
	head := http.Header{"Fastly-Key": {f.token}, "Accept": {"application/json"}}
	if inv.All {
		_, err := f.do(ctx, http.MethodPost, f.target+"_all", head, "")
		return err
	}
	groups, err := onlyTags(inv, fastlyKeys)
	urls, failed := pages(inv.URLs, f.hosts)
	err = errors.Join(err, failed)
	for _, page := range urls {
		_, failed := f.do(ctx, http.MethodPost, f.api+"/purge/"+page, head.Clone(), "")
		err = errors.Join(err, failed)
	}
	for _, keys := range groups {
		header := head.Clone()
		header.Set("Surrogate-Key", strings.Join(keys, " "))
		if inv.Mode == revalidate.ModeStaleWhileRevalidate {
			header.Set("Fastly-Soft-Purge", "1")
		}
		_, failed := f.do(ctx, http.MethodPost, f.target, header, "")
		err = errors.Join(err, failed)
	}
	return err
}
