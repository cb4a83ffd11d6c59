package cdn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// CloudflareConfig says how a [Cloudflare] works. Zone and Token are required.
type CloudflareConfig struct {
	Zone  string // id of the zone
	Token string // API token with the permission to purge it

	// Hosts are the names under which the site is reached, such as "www.example.com". With them, paths are purged as prefixes of URLs, up
	// to the first part of a pattern that is not literal; without them paths are [ErrUnsupported]. A URL is purged under each of them, or under the
	// host that it has.
	Hosts []string

	// API is the address of the API. Empty means https://api.cloudflare.com/client/v4.
	API string
	// Client sends the requests. Nil means http.DefaultClient. In either case redirects are not followed.
	Client *http.Client
	// Timeout bounds one request. Zero means 10 s.
	Timeout time.Duration
}

// A Cloudflare purges cache tags, and paths as prefixes, at Cloudflare (developers.cloudflare.com/cache/how-to/purge-cache). There is no soft
// purge: what is purged is fetched anew, in either mode. The tags are those of the response field Cache-Tag, which
// separates them by commas, so a tag with a comma is [ErrUnsupported], as are prefixes of tags and cache groups. URLs are purged of both schemes,
// as Cloudflare may speak another to the server than clients speak to it, and under Cloudflare's usual cache key alone; everything of the zone is
// purged where the invalidation says so.
type Cloudflare struct {
	client
	target string
	token  string
	hosts  []string
}

// cloudflareItems is how many tags, prefixes or URLs one request purges.
const cloudflareItems = 30

// NewCloudflare returns a sender. The error joins every mistake in c and repeats no token.
func NewCloudflare(c CloudflareConfig) (*Cloudflare, error) {
	mistakes := invalid.Config{Package: "cdn"}
	if c.Zone == "" {
		mistakes.Hidden("Zone", "is required")
	}
	if c.Token == "" {
		mistakes.Hidden("Token", "is required")
	}
	checkHosts(&mistakes, c.Hosts)
	api := checkAPI(&mistakes, c.API, "https://api.cloudflare.com/client/v4")
	s := &Cloudflare{
		client: newClient(c.Client, c.Timeout, &mistakes), token: c.Token, hosts: slices.Clone(c.Hosts),
		target: api + "/zones/" + url.PathEscape(c.Zone) + "/purge_cache",
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Send purges the tags, paths and URLs of inv, or everything.
func (s *Cloudflare) Send(ctx context.Context, inv revalidate.Invalidation) error {
	if inv.All {
		return s.post(ctx, map[string]bool{"purge_everything": true})
	}
	var tags, prefixes []string
	var unsupported []error
	for _, tag := range inv.Tags {
		if strings.Contains(tag, ",") {
			unsupported = append(unsupported, fmt.Errorf("%w: a tag with a comma", ErrUnsupported))
			continue
		}
		tags = append(tags, tag)
	}
	for _, path := range inv.Paths {
		if len(s.hosts) == 0 {
			unsupported = append(unsupported, fmt.Errorf("%w: a path, without Hosts", ErrUnsupported))
		}
		literal, _, _ := strings.Cut(path, "[")
		for _, host := range s.hosts {
			prefixes = append(prefixes, host+(&url.URL{Path: literal}).EscapedPath())
		}
	}
	if len(inv.TagPrefixes) > 0 {
		unsupported = append(unsupported, fmt.Errorf("%w: prefixes of tags", ErrUnsupported))
	}
	if len(inv.Groups) > 0 {
		unsupported = append(unsupported, fmt.Errorf("%w: cache groups", ErrUnsupported))
	}
	urls, err := pages(inv.URLs, s.hosts)
	var files []string
	for _, page := range urls {
		files = append(files, "https://"+page, "http://"+page)
	}
	return errors.Join(errors.Join(unsupported...), err, s.purge(ctx, "tags", tags), s.purge(ctx, "prefixes", prefixes), s.purge(ctx, "files", files))
}

func (s *Cloudflare) purge(ctx context.Context, kind string, items []string) error {
	var failed []error
	for group := range slices.Chunk(items, cloudflareItems) {
		failed = append(failed, s.post(ctx, map[string][]string{kind: group}))
	}
	return errors.Join(failed...)
}

// post sends what to purge.
func (s *Cloudflare) post(ctx context.Context, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	answer, err := s.do(ctx, http.MethodPost, s.target, http.Header{
		"Authorization": {"Bearer " + s.token},
		"Content-Type":  {"application/json"},
	}, string(body))
	if err != nil {
		return err
	}
	var result struct{ Success bool }
	if json.Unmarshal(answer, &result) != nil || !result.Success {
		return fmt.Errorf("%w: Cloudflare says that it did not succeed", ErrAnswer)
	}
	return nil
}
