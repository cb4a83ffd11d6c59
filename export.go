package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/urlpath"
)

// ExportReport says what [Export] wrote.
type ExportReport struct {
	Pages   []ExportedPage // sorted by path
	Skipped []SkippedLink  // links of the same site that were not followed, sorted by target
	Bytes   int64          // of all pages
}

// ExportedPage is one file of an export.
type ExportedPage struct {
	Path        string `json:"path"`         // URL path, as given or linked
	File        string `json:"file"`         // below Dir, with slashes
	ContentType string `json:"content_type"` // what a server of the file must send
	Bytes       int64  `json:"bytes"`
}

// SkippedLink is a link of the same site that did not become a file.
type SkippedLink struct {
	Page   string // path of the first page that has it
	Target string // path and query
	Reason string
}

// Reasons for which Export fails, wrapped in an [ExportError] that names the path.
var (
	ErrExportMethods   = errors.New("route serves methods other than GET, which a file cannot")
	ErrExportNotStatic = errors.New("route is not marked Static")
	ErrExportStatus    = errors.New("answer is not 200")
	ErrExportAnswer    = errors.New("answer cannot be a file")
	ErrExportName      = errors.New("path cannot be a file name")
	ErrExportLimit     = errors.New("export is larger than allowed")
)

// ExportError is why one path could not be exported. The wrapped error is one of the ErrExport reasons with detail, or the
// context's error.
type ExportError struct {
	Path string
	Err  error
}

// Error names the path and the reason.
func (e *ExportError) Error() string {
	return fmt.Sprintf("gatehouse: export of %s: %v", e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *ExportError) Unwrap() error { return e.Err }

// Export runs the GET handlers of a site for a list of paths and writes the answers to a folder that any file server can
// serve. Only routes made by [CreateHandler] with Static and without methods other than GET, HEAD and OPTIONS
// are exported; every other path in the list or among the followed links is an error that names it, as is an answer
// that is not 200, sets a cookie or is encoded. Nothing is left out silently.
//
// All pages are made before the first is put in place: when Export returns an error, which names every failed path and
// not only the first, Dir is as it was. Nothing outside Dir and a folder beside it, which becomes Dir in one rename, is ever
// written. A page of type text/html at /about becomes about.html, one at / or /blog/ index.html in its folder; any
// other answer keeps its path as name, and the content type is in the report and in the file .gatehouse-export.json
// of the folder.
func Export(ctx context.Context, c ExportConfig) (ExportReport, error) {
	base, paths, err := c.check()
	if err != nil {
		return ExportReport{}, err
	}
	e := &exporter{config: c, base: base, known: map[string]bool{}, files: map[string]string{}, skipped: map[string]SkippedLink{}}
	out, err := newExportDir(c.Dir)
	if err != nil {
		return ExportReport{}, err
	}
	defer out.discard()
	e.out = out
	for _, path := range paths {
		e.enqueue(path)
	}
	e.run(ctx)
	if err := errors.Join(e.failures()...); err != nil {
		return ExportReport{}, err
	}
	report := e.report()
	if err := out.publish(report); err != nil {
		return ExportReport{}, fmt.Errorf("gatehouse: export: %w", err)
	}
	return report, nil
}

// exporter is one run of Export. Its queue and its results are guarded by mu.
type exporter struct {
	config ExportConfig
	base   *url.URL
	out    *exportDir

	mu      sync.Mutex
	queue   []*url.URL        // paths alone
	known   map[string]bool   // every path ever queued
	files   map[string]string // file name, folded -> path that has it
	pages   []ExportedPage
	skipped map[string]SkippedLink
	failed  []*ExportError
}

// enqueue adds path unless it is known.
func (e *exporter) enqueue(path *url.URL) {
	if key := path.EscapedPath(); !e.known[key] {
		e.known[key] = true
		e.queue = append(e.queue, path)
	}
}

// run makes pages in rounds, each with a bounded number of workers, until no page has links that are not known.
func (e *exporter) run(ctx context.Context) {
	for len(e.queue) > 0 {
		round := e.queue
		e.queue = nil
		if len(e.known) > e.config.MaxPages {
			e.fail(round[len(round)-1].EscapedPath(), fmt.Errorf("%w: more than %d pages", ErrExportLimit, e.config.MaxPages))
			return
		}
		var workers sync.WaitGroup
		slots := make(chan struct{}, e.config.Workers)
		for _, path := range round {
			slots <- struct{}{}
			workers.Go(func() {
				defer func() { <-slots }()
				if err := e.export(ctx, path); err != nil {
					e.fail(path.EscapedPath(), err)
				}
			})
		}
		workers.Wait()
		slices.SortFunc(e.queue, func(a, b *url.URL) int { return strings.Compare(a.Path, b.Path) }) // the order of discovery depends on timing
	}
}

func (e *exporter) fail(path string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = append(e.failed, &ExportError{Path: path, Err: err})
}

// export makes the page at path, writes its file and queues its links.
func (e *exporter) export(ctx context.Context, path *url.URL) error {
	answer, err := e.fetch(ctx, path)
	if err != nil {
		return err
	}
	file, err := exportName(path.Path, answer.contentType, e.config.IndexFiles)
	if err != nil {
		return err
	}
	if err := e.claim(file, path.EscapedPath()); err != nil {
		return err
	}
	if err := e.out.write(file, answer.body); err != nil {
		return fmt.Errorf("%w: %w", ErrExportName, err)
	}
	e.done(path, ExportedPage{Path: path.EscapedPath(), File: file, ContentType: answer.contentType, Bytes: int64(len(answer.body))}, answer)
	return nil
}

// claim gives file to path. Names are compared folded, since the folder may be copied to a file system that does so.
func (e *exporter) claim(file, path string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	folded := strings.ToLower(file)
	if other, taken := e.files[folded]; taken {
		return fmt.Errorf("%w: %s has the same file %s", ErrExportName, other, file)
	}
	e.files[folded] = path
	return nil
}

func (e *exporter) done(path *url.URL, page ExportedPage, answer *exportAnswer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pages = append(e.pages, page)
	if e.config.FollowLinks && isHTML(page.ContentType) {
		for _, target := range sameSiteLinks(e.base, path, answer.body) {
			e.follow(page.Path, target)
		}
	}
	if e.config.Progress != nil {
		e.config.Progress(page, len(e.pages), len(e.known))
	}
}

// follow queues a link, or notes why it is not followed.
func (e *exporter) follow(page string, target *url.URL) {
	skip := func(reason string) {
		link := target.RequestURI()
		if _, noted := e.skipped[link]; !noted {
			e.skipped[link] = SkippedLink{Page: page, Target: link, Reason: reason}
		}
	}
	switch err := urlpath.Check(target); {
	case err != nil:
		skip(err.Error())
	case target.RawQuery != "":
		skip("a file has no query")
	default:
		e.enqueue(&url.URL{Path: target.Path, RawPath: target.RawPath})
	}
}

// failures returns what went wrong, sorted by path.
func (e *exporter) failures() []error {
	slices.SortFunc(e.failed, func(a, b *ExportError) int { return strings.Compare(a.Path, b.Path) })
	errs := make([]error, len(e.failed))
	for i, f := range e.failed {
		errs[i] = f
	}
	return errs
}

func (e *exporter) report() ExportReport {
	r := ExportReport{Pages: e.pages}
	slices.SortFunc(r.Pages, func(a, b ExportedPage) int { return strings.Compare(a.Path, b.Path) })
	for _, p := range r.Pages {
		r.Bytes += p.Bytes
	}
	for _, s := range e.skipped {
		r.Skipped = append(r.Skipped, s)
	}
	slices.SortFunc(r.Skipped, func(a, b SkippedLink) int { return strings.Compare(a.Target, b.Target) })
	return r
}
