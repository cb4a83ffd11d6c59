package revalidate

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// ErrForm is the reason for which an [Inspector] refuses a form that is not its own.
var ErrForm = refusal.New(http.StatusForbidden, "form does not come from the inspector's page")

const defaultMaxEntries = 500

// InspectorConfig says how an [Inspector] works. Cache and Access are required.
type InspectorConfig struct {
	// Cache is what is shown.
	Cache *Cache
	// Access decides who may see the cache and invalidate in it; its error refuses the request, with the status of its
	// StatusCode method or 500. There is no default: the page names URLs, keys and tags.
	Access func(*http.Request) error
	// MaxEntries bounds how many entries are listed. Zero means 500.
	MaxEntries int

	// OnError answers what is refused. Nil means problem+json (RFC 9457).
	OnError func(w http.ResponseWriter, r *http.Request, err error)
	// Logger gets the cause of each refusal and each invalidation. Nil means slog.Default().
	Logger *slog.Logger
}

// An Inspector is an [http.Handler] that shows what a cache holds: counts, entries with age, life, size and tags, never their
// contents. GET answers with a page, or with JSON ([Inspection]) where the request's Accept asks for it; a POST of the page's
// form invalidates a tag or a path, or purges everything. A form that the page did not make is refused, so another site
// cannot have a visitor's browser send one.
type Inspector struct {
	cache   *Cache
	access  func(*http.Request) error
	most    int
	onError func(http.ResponseWriter, *http.Request, error)
	log     *slog.Logger
	token   string // in each form of the page; other sites cannot read it
	origins http.CrossOriginProtection
	page    *template.Template
}

// NewInspector returns an inspector. The error joins every mistake in c.
func NewInspector(c InspectorConfig) (*Inspector, error) {
	mistakes := invalid.Config{Package: "revalidate"}
	if c.Cache == nil {
		mistakes.Hidden("InspectorConfig.Cache", "is required")
	}
	if c.Access == nil {
		mistakes.Hidden("InspectorConfig.Access", "is required")
	}
	if c.MaxEntries < 0 {
		mistakes.Field("InspectorConfig.MaxEntries", c.MaxEntries, "must not be negative")
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	page, err := template.New("page").Parse(inspectorPage)
	if err != nil {
		return nil, err
	}
	log := c.Logger
	if log == nil {
		log = slog.Default()
	}
	return &Inspector{
		cache: c.Cache, access: c.Access, most: or(c.MaxEntries, defaultMaxEntries), onError: c.OnError, log: log,
		token: rand.Text(), page: page,
	}, nil
}

// An Inspection is what an [Inspector] shows.
type Inspection struct {
	Metrics  Metrics          `json:"metrics"`
	HitRatio float64          `json:"hitRatio"`
	Entries  []InspectedEntry `json:"entries"` // in order of their keys, at most MaxEntries
	Tags     []InspectedTag   `json:"tags"`    // of those entries, the most frequent first
	More     bool             `json:"more"`    // there are more entries than are listed
	Token    string           `json:"token"`   // what a POST must bring as form value "token"
}

// An InspectedEntry is one entry of an [Inspection].
type InspectedEntry struct {
	Key     string   `json:"key"`  // of data; a URL for a response
	Kind    string   `json:"kind"` // "data", "response" or "variants"
	State   string   `json:"state"`
	Status  int      `json:"status,omitempty"` // of a response
	Age     float64  `json:"age"`              // seconds since it was made
	Life    float64  `json:"life"`             // seconds that it is still fresh; negative when stale
	Size    int64    `json:"size"`             // bytes
	Tags    []string `json:"tags"`
	Variant string   `json:"variant,omitempty"` // the request fields that selected it
}

// An InspectedTag is one tag of an [Inspection].
type InspectedTag struct {
	Tag     string `json:"tag"`
	Entries int    `json:"entries"`
}

// Inspect returns what the inspector shows now. It walks the whole store, which takes a while where that is large.
func (i *Inspector) Inspect(ctx context.Context) Inspection {
	now := time.Now().UnixNano()
	out := Inspection{Metrics: i.cache.Metrics(), Entries: []InspectedEntry{}, Tags: []InspectedTag{}, Token: i.token}
	out.HitRatio = out.Metrics.HitRatio()
	tags := make(map[string]int)
	for key, e := range i.cache.store.All(ctx) {
		if _, note := e.value.(*unshared); note {
			continue
		}
		if len(out.Entries) == i.most {
			out.More = true
			break
		}
		shown := i.cache.show(key, e, now)
		for _, tag := range shown.Tags {
			tags[tag]++
		}
		out.Entries = append(out.Entries, shown)
	}
	slices.SortFunc(out.Entries, func(a, b InspectedEntry) int {
		return strings.Compare(a.Key+"\n"+a.Variant, b.Key+"\n"+b.Variant)
	})
	for tag, n := range tags {
		out.Tags = append(out.Tags, InspectedTag{tag, n})
	}
	slices.SortFunc(out.Tags, func(a, b InspectedTag) int {
		if a.Entries != b.Entries {
			return b.Entries - a.Entries
		}
		return strings.Compare(a.Tag, b.Tag)
	})
	return out
}

func (c *Cache) show(key string, e *Entry, now int64) InspectedEntry {
	shown := InspectedEntry{
		Key: key, Kind: "data", Size: e.size, Tags: e.Tags(),
		Age:  time.Duration(max(0, now-e.stamp)).Seconds(),
		Life: time.Duration(e.fresh - now).Seconds(),
	}
	switch c.usable(e, now) {
	case valid:
		shown.State = "fresh"
	case aged:
		shown.State = "stale"
	case dead:
		shown.State = "expired"
	}
	switch v := e.value.(type) {
	case *variants:
		shown.Kind, shown.Variant = "variants", strings.Join(v.names, ", ")
	case *response:
		shown.Kind, shown.Status = "response", v.status
		shown.Age = time.Duration(max(0, now-v.born)).Seconds()
	}
	if shown.Kind != "data" {
		key, fields, _ := strings.Cut(strings.TrimPrefix(key, "\x00"), "\n")
		path, fields, _ := strings.Cut(fields, "\n")
		base, query, _ := strings.Cut(key, "?")
		shown.Key = base + strings.TrimLeft(path, "rp")
		if query != "" {
			shown.Key += "?" + query
		}
		if _, fields, ok := strings.Cut(fields, "\n"); ok { // after the id of the variants
			shown.Variant = selected(fields)
		}
	}
	return shown
}

// selected shows the values of the fields that selected a variant; a dash stands for a field that the request did not have.
func selected(fields string) string {
	values := strings.Split(fields, "\n")
	for i, value := range values {
		if values[i] = strings.TrimPrefix(value, "="); value == "" {
			values[i] = "-"
		}
	}
	return strings.Join(values, ", ")
}

// ServeHTTP shows the cache, or does what a form of its page says.
func (i *Inspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	var err error
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if err = i.access(r); err == nil {
			err = i.show(w, r)
		}
	case http.MethodPost:
		if err = i.access(r); err == nil {
			err = i.act(w, r)
		}
	default:
		h.Set("Allow", "GET, HEAD, POST")
		err = ErrMethod
	}
	if err == nil {
		return
	}
	i.log.LogAttrs(r.Context(), slog.LevelWarn, "cache inspector refused a request", slog.Any("error", err))
	if i.onError != nil {
		i.onError(w, r, err)
		return
	}
	problem.Error(w, r, err)
}

func (i *Inspector) show(w http.ResponseWriter, r *http.Request) error {
	inspection := i.Inspect(r.Context())
	var body bytes.Buffer
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		if err := json.NewEncoder(&body).Encode(inspection); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
	} else {
		if err := i.page.Execute(&body, inspection); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // the client is gone if this fails
	}
	return nil
}

func (i *Inspector) act(w http.ResponseWriter, r *http.Request) error {
	if err := i.origins.Check(r); err != nil {
		return &causeError{reason: ErrForm, cause: err}
	}
	body, err := reqbody.Read(w, r, reqbody.Limits{Max: 16 << 10, Timeout: defaultReadTimeout})
	if err != nil {
		return err
	}
	value := func(name string) string { return queryParam(string(body), name) }
	if subtle.ConstantTimeCompare([]byte(value("token")), []byte(i.token)) != 1 {
		return ErrForm
	}
	if value("purge") == "all" {
		err = i.cache.PurgeAll(r.Context())
	} else {
		inv := Invalidation{Mode: ModeStaleWhileRevalidate}
		if value("mode") == "fresh" {
			inv.Mode = ModeExpire
		}
		if tag := value("tag"); tag != "" {
			inv.Tags = []string{tag}
		}
		if path := value("path"); path != "" {
			inv.Paths = []string{path}
		}
		err = i.cache.Invalidate(r.Context(), inv)
	}
	if err != nil {
		return err
	}
	i.log.LogAttrs(r.Context(), slog.LevelInfo, "cache invalidated by the inspector", slog.String("tag", value("tag")), slog.String("path", value("path")),
		slog.String("mode", value("mode")), slog.Bool("purge", value("purge") == "all"))
	w.Header().Set("Location", r.URL.EscapedPath()) // the page again, by GET
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

const inspectorPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Cache</title></head>
<body>
<h1>Cache</h1>
<p>{{.Metrics.Store.Entries}} entries of {{.Metrics.Store.Bytes}} bytes{{if .Metrics.Store.MaxBytes}} of at most {{.Metrics.Store.MaxBytes}}{{end}},
{{.Metrics.Store.Evictions}} evictions. Hit ratio {{printf "%.3f" .HitRatio}}: {{.Metrics.Hits}} hits, {{.Metrics.Stale}} stale,
{{.Metrics.Misses}} misses, {{.Metrics.Shared}} of them shared. {{.Metrics.Fills}} fills, {{.Metrics.Refreshes}} refreshes,
{{.Metrics.RefreshErrors}} of them failed. {{.Metrics.Invalidations}} invalidations, {{.Metrics.Marks}} marks.</p>
<form method="post">
<input type="hidden" name="token" value="{{.Token}}">
<label>Tag <input name="tag"></label> <label>Path <input name="path" placeholder="/blog/[slug]"></label>
<button name="mode" value="stale">Refresh</button> <button name="mode" value="fresh">Expire</button>
<button name="purge" value="all">Purge everything</button>
</form>
<h2>Tags</h2>
<table><thead><tr><th>Tag</th><th>Entries</th><th></th></tr></thead><tbody>
{{$token := .Token}}{{range .Tags}}<tr><td>{{.Tag}}</td><td>{{.Entries}}</td><td><form method="post"><input type="hidden" name="token" value="{{$token}}"><input type="hidden" name="tag" value="{{.Tag}}"><button name="mode" value="stale">Refresh</button> <button name="mode" value="fresh">Expire</button></form></td></tr>
{{end}}</tbody></table>
<h2>Entries</h2>
<table><thead><tr><th>Key</th><th>Kind</th><th>State</th><th>Age</th><th>Fresh for</th><th>Bytes</th><th>Tags</th></tr></thead><tbody>
{{range .Entries}}<tr><td>{{.Key}}{{if .Variant}} ({{.Variant}}){{end}}</td><td>{{.Kind}}{{if .Status}} {{.Status}}{{end}}</td><td>{{.State}}</td><td>{{printf "%.0f" .Age}} s</td><td>{{printf "%.0f" .Life}} s</td><td>{{.Size}}</td><td>{{range .Tags}}{{.}} {{end}}</td></tr>
{{end}}</tbody></table>
{{if .More}}<p>There are more entries than are listed.</p>{{end}}
</body>
</html>
`
