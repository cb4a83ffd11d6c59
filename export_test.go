package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-go/gatehouse"
)

// static makes an exportable route.
func static(tb testing.TB, contentType, body string) http.Handler {
	tb.Helper()
	return route(tb, gatehouse.Methods{Static: true, Get: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		fmt.Fprint(w, body)
	})})
}

func route(tb testing.TB, m gatehouse.Methods) http.Handler {
	tb.Helper()
	h, err := gatehouse.CreateHandler(m)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// answers is an exportable route that runs f.
func answers(tb testing.TB, f http.HandlerFunc) http.Handler {
	tb.Helper()
	return route(tb, gatehouse.Methods{Get: f, Static: true})
}

// site is a mux whose patterns are paths.
func site(routes map[string]http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for path, h := range routes {
		if strings.HasSuffix(path, "/") {
			path += "{$}"
		}
		mux.Handle(path, h)
	}
	return mux
}

// tree reads a folder.
func tree(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		name, _ := filepath.Rel(dir, p)
		if name != ".gatehouse-export.json" {
			files[filepath.ToSlash(name)] = string(b)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		tb.Fatal(err)
	}
	return files
}

const html = "text/html; charset=utf-8"

func TestExportWritesAnswersUnderTheRightNames(t *testing.T) {
	mux := site(map[string]http.Handler{
		"/":              static(t, html, "home"),
		"/about":         static(t, html, "about"),
		"/blog/":         static(t, html, "blog"),
		"/blog/first":    static(t, "text/html", "first"),
		"/v1.2":          static(t, html, "version"),
		"/page.html":     static(t, html, "page"),
		"/data.json":     static(t, "application/json", "{}"),
		"/feed":          static(t, "application/rss+xml", "<rss/>"),
		"/caf%C3%A9":     static(t, html, "café"),
		"/untyped":       static(t, "", "<!DOCTYPE html><p>sniffed"),
		"/empty.txt":     static(t, "text/plain", ""),
		"/.well-known/x": static(t, "text/plain", "x"),
	})
	paths := []string{"/", "/about", "/blog/", "/blog/first", "/v1.2", "/page.html", "/data.json", "/feed", "/caf%C3%A9", "/untyped", "/empty.txt", "/.well-known/x"}
	want := map[string]string{
		"index.html": "home", "about.html": "about", "blog/index.html": "blog", "blog/first.html": "first", "v1.2.html": "version", "page.html": "page",
		"data.json": "{}", "feed": "<rss/>", "café.html": "café", "untyped.html": "<!DOCTYPE html><p>sniffed", "empty.txt": "", ".well-known/x": "x",
	}
	dir := filepath.Join(t.TempDir(), "out")
	report, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: mux, Paths: paths, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	if len(report.Pages) != len(paths) || !slices.IsSortedFunc(report.Pages, func(a, b gatehouse.ExportedPage) int { return strings.Compare(a.Path, b.Path) }) {
		t.Errorf("pages: %v", report.Pages)
	}
	i := slices.IndexFunc(report.Pages, func(p gatehouse.ExportedPage) bool { return p.Path == "/feed" })
	if diff := cmp.Diff(gatehouse.ExportedPage{Path: "/feed", File: "feed", ContentType: "application/rss+xml", Bytes: 6}, report.Pages[i]); diff != "" {
		t.Error(diff)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, ".gatehouse-export.json"))
	if err != nil || !strings.Contains(string(manifest), `"content_type": "application/rss+xml"`) {
		t.Errorf("manifest: %s, %v", manifest, err)
	}

	if _, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: mux, Paths: []string{"/about", "/page.html"}, Dir: dir, IndexFiles: true}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"about/index.html": "about", "page.html": "page"}, tree(t, dir)); diff != "" {
		t.Errorf("a second export replaces the first: %s", diff)
	}
	left, _ := os.ReadDir(filepath.Dir(dir))
	if len(left) != 1 {
		t.Errorf("something is left beside the folder: %v", left)
	}
}

func TestExportFollowsLinksOfTheSameSite(t *testing.T) {
	home := `<!DOCTYPE html><base href="/docs/"><link rel=stylesheet href="/style.css"><script src=/app.js></script>
<a href="intro#top">intro</a> <a href="https://EXAMPLE.com/abs">same site</a> <a href="https://other.example/x">elsewhere</a>
<a href="//other.example/y">elsewhere</a> <a href="mailto:a@example.com">mail</a> <a href="https://user@example.com/z">userinfo</a>
<img src="/a.png" srcset="/b.png 2x, /c.png 3x"><a href="?page=2">query</a><a href="">self</a><a href=.>index</a><a href="/x%2Fy">odd</a><a href="http://[">bad</a><a name=x>none</a>`
	file := static(t, "application/octet-stream", "x")
	mux := site(map[string]http.Handler{
		"/": static(t, html, home), "/style.css": static(t, "text/css", `a{background:url(/unseen.png)}`), "/app.js": file, "/a.png": file, "/b.png": file, "/c.png": file,
		"/docs/": static(t, html, "docs"), "/docs/intro": static(t, html, `<a href="../">home</a><a href="/abs?x=1">query</a>`), "/abs": static(t, html, `<a href="https://example.com">root</a>`),
	})
	var progress []string
	dir := filepath.Join(t.TempDir(), "out")
	report, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{
		Handler: mux, Paths: []string{"/"}, Dir: dir, FollowLinks: true, BaseURL: "https://example.com",
		Progress: func(p gatehouse.ExportedPage, done, known int) {
			if done != len(progress)+1 || known < done {
				t.Errorf("progress %d of %d after %d", done, known, len(progress))
			}
			progress = append(progress, p.Path)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range report.Pages {
		paths = append(paths, p.Path)
	}
	want := []string{"/", "/a.png", "/abs", "/app.js", "/b.png", "/c.png", "/docs/", "/docs/intro", "/style.css"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	slices.Sort(progress)
	if diff := cmp.Diff(want, progress); diff != "" {
		t.Error(diff)
	}
	skipped := []gatehouse.SkippedLink{
		{Page: "/docs/intro", Target: "/abs?x=1", Reason: "a file has no query"},
		{Page: "/", Target: "/docs/?page=2", Reason: "a file has no query"},
		{Page: "/", Target: "/x%2Fy", Reason: "path has an encoded slash or backslash, or a raw backslash"},
	}
	if diff := cmp.Diff(skipped, report.Skipped); diff != "" {
		t.Error(diff)
	}
}

func TestExportRefuses(t *testing.T) {
	ok := static(t, html, "ok")
	for _, row := range []struct {
		name   string
		route  http.Handler
		config gatehouse.ExportConfig
		want   error
		text   string
	}{
		{"a route that is not marked", route(t, gatehouse.Methods{Get: says("x")}), gatehouse.ExportConfig{}, gatehouse.ErrExportNotStatic, "/x"},
		{"a plain handler", says("x"), gatehouse.ExportConfig{}, gatehouse.ErrExportNotStatic, "no Handler of this package"},
		{"a route with POST", route(t, gatehouse.Methods{Get: says("x"), Post: says("x"), Static: true}), gatehouse.ExportConfig{}, gatehouse.ErrExportMethods, "GET, HEAD, OPTIONS, POST"},
		{"a route with POST inside a marked one", route(t, gatehouse.Methods{Get: route(t, gatehouse.Methods{Get: says("x"), Post: says("x")}), Static: true}), gatehouse.ExportConfig{}, gatehouse.ErrExportMethods, "POST"},
		{"a redirect", answers(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/y", 307) }), gatehouse.ExportConfig{}, gatehouse.ErrExportStatus, "307 to /y"},
		{"a status without content", answers(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }), gatehouse.ExportConfig{}, gatehouse.ErrExportStatus, "204"},
		{"a cookie", answers(t, func(w http.ResponseWriter, _ *http.Request) { http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"}) }), gatehouse.ExportConfig{}, gatehouse.ErrExportAnswer, "cookie"},
		{"an encoded answer", answers(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br") }), gatehouse.ExportConfig{}, gatehouse.ErrExportAnswer, "br"},
		{"a content type that is none", answers(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "///") }), gatehouse.ExportConfig{}, gatehouse.ErrExportAnswer, "///"},
		{"a panic", answers(t, func(http.ResponseWriter, *http.Request) { panic("boom") }), gatehouse.ExportConfig{}, gatehouse.ErrExportAnswer, "boom"},
		{"too many bytes", static(t, html, "12345"), gatehouse.ExportConfig{MaxBytes: 4}, gatehouse.ErrExportLimit, "MaxBytes"},
		{"too many pages", static(t, html, `<a href=/y>y</a>`), gatehouse.ExportConfig{MaxPages: 1, FollowLinks: true}, gatehouse.ErrExportLimit, "more than 1"},
		{"a handler that waits for its context", answers(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), gatehouse.ExportConfig{Timeout: time.Millisecond}, context.DeadlineExceeded, "/x"},
		{"a page linked and not there", static(t, html, `<a href=/gone>y</a>`), gatehouse.ExportConfig{FollowLinks: true}, gatehouse.ErrExportNotStatic, "/gone"},
		{"a folder that is no page", static(t, "text/plain", "x"), gatehouse.ExportConfig{Paths: []string{"/x", "/d/"}}, gatehouse.ErrExportName, "ends with a slash"},
		{"two paths with one file", static(t, html, "x"), gatehouse.ExportConfig{Paths: []string{"/", "/index.html"}}, gatehouse.ErrExportName, "index.html"},
		{"two paths with one file on a folding file system", static(t, html, "x"), gatehouse.ExportConfig{Paths: []string{"/a", "/A"}}, gatehouse.ErrExportName, "same file"},
		{"a file where a folder is needed", static(t, "text/plain", "x"), gatehouse.ExportConfig{Paths: []string{"/a", "/a/b"}, Workers: 1}, gatehouse.ErrExportName, "/a/b"},
		{"an empty segment", ok, gatehouse.ExportConfig{Paths: []string{"/a//b"}}, gatehouse.ErrExportName, "empty"},
		{"a device name", ok, gatehouse.ExportConfig{Paths: []string{"/nul.txt"}}, gatehouse.ErrExportName, "device"},
		{"a name with a colon", ok, gatehouse.ExportConfig{Paths: []string{"/a:b"}}, gatehouse.ErrExportName, `must not contain`},
		{"a name that ends with a space", static(t, "text/plain", "x"), gatehouse.ExportConfig{Paths: []string{"/a%20"}}, gatehouse.ErrExportName, "space"},
		{"a name that is too long", ok, gatehouse.ExportConfig{Paths: []string{"/" + strings.Repeat("a", 251)}}, gatehouse.ErrExportName, "255"},
		{"the name of the list of pages", static(t, "application/json", "x"), gatehouse.ExportConfig{Paths: []string{"/.gatehouse-export.json"}}, gatehouse.ErrExportName, "list of pages"},
	} {
		t.Run(row.name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/ok", ok)
			mux.Handle("/y", ok)
			mux.HandleFunc("/gone", http.NotFound)
			mux.Handle("/x", row.route)
			if row.config.Paths == nil {
				row.config.Paths = []string{"/ok", "/x"}
				row.config.Handler = mux
			} else {
				row.config.Handler = row.route
			}
			row.config.Dir = filepath.Join(t.TempDir(), "out")
			report, err := gatehouse.Export(t.Context(), row.config)
			var failed *gatehouse.ExportError
			if !errors.Is(err, row.want) || !errors.As(err, &failed) || failed.Path == "" || !strings.Contains(err.Error(), row.text) {
				t.Errorf("got %v", err)
			}
			if len(report.Pages) != 0 {
				t.Errorf("a failed export reports pages: %v", report)
			}
			if left, _ := os.ReadDir(filepath.Dir(row.config.Dir)); len(left) != 0 {
				t.Errorf("a failed export leaves %v", left)
			}
		})
	}
}

func TestExportNamesEveryFailedPath(t *testing.T) {
	_, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: http.NotFoundHandler(), Paths: []string{"/b", "/a"}, Dir: filepath.Join(t.TempDir(), "out")})
	if err == nil || strings.Index(err.Error(), "/a:") > strings.Index(err.Error(), "/b:") || !strings.Contains(err.Error(), "/b:") {
		t.Errorf("got %v", err)
	}
}

func TestExportStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := gatehouse.Export(ctx, gatehouse.ExportConfig{Handler: static(t, html, "x"), Paths: []string{"/"}, Dir: filepath.Join(t.TempDir(), "out")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestExportKeepsWhatItDidNotWrite(t *testing.T) {
	page := gatehouse.ExportConfig{Handler: static(t, html, "x"), Paths: []string{"/"}}
	for _, row := range []struct {
		name string
		make func(dir string) error
		text string
	}{
		{"a folder with a user's file", func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+"/mine", nil, 0o600))
		}, "earlier export"},
		{"a file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "must be a folder"},
		{"a link to a folder", func(dir string) error { return os.Symlink(filepath.Dir(dir), dir) }, "must be a folder"},
		{"a folder whose parent is not there", func(dir string) error { return os.Remove(filepath.Dir(dir)) }, "no such file"},
		{"a folder below a file", func(dir string) error {
			return errors.Join(os.Remove(filepath.Dir(dir)), os.WriteFile(filepath.Dir(dir), nil, 0o600))
		}, "not a directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "parent")
			page.Dir = filepath.Join(parent, "out")
			if err := errors.Join(os.Mkdir(parent, 0o700), row.make(page.Dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := gatehouse.Export(t.Context(), page); err == nil || !strings.Contains(err.Error(), row.text) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a folder that somebody fills meanwhile", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "out")
		h := answers(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", html)
			w.(http.Flusher).Flush()
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+"/mine", nil, 0o600)); err != nil {
				t.Error(err)
			}
		})
		if _, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: h, Paths: []string{"/"}, Dir: dir}); err == nil {
			t.Error("replaced")
		}
		if _, err := os.Stat(dir + "/mine"); err != nil {
			t.Error(err)
		}
	})
	t.Run("a file of the site that is in the way of the list of pages", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "out")
		h := answers(t, func(w http.ResponseWriter, _ *http.Request) { // the folder in the making holds something else
			w.Header().Set("Content-Type", html)
			staging, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".out.export-*"))
			if err != nil || len(staging) != 1 {
				t.Fatalf("%v, %v", staging, err)
			}
			if err := os.Mkdir(filepath.Join(staging[0], ".gatehouse-export.json"), 0o700); err != nil {
				t.Error(err)
			}
		})
		if _, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: h, Paths: []string{"/"}, Dir: dir}); err == nil {
			t.Error("published without its list")
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder is there: %v", err)
		}
	})
	t.Run("a folder when the working directory is gone", func(t *testing.T) {
		gone := t.TempDir()
		t.Chdir(gone)
		if err := os.Remove(gone); err != nil {
			if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") == "1" {
				t.Fatalf("a working directory that can be removed is absent: %v", err)
			}
			t.Skipf("a working directory that can be removed is absent: %v", err)
		}
		page.Dir = "out"
		if _, err := gatehouse.Export(t.Context(), page); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an empty folder is taken", func(t *testing.T) {
		page.Dir = t.TempDir()
		if _, err := gatehouse.Export(t.Context(), page); err != nil {
			t.Error(err)
		}
	})
}

// Whoever meddles with the folder in the making, an earlier export is whole until another takes its place.
func TestExportKeepsAnEarlierExportWhenItFails(t *testing.T) {
	for _, row := range []struct {
		name   string
		meddle func(staging string) error
	}{
		{"the folder in the making is moved away", func(staging string) error { return os.Rename(staging, staging+".away") }},
		{"something is where the earlier export would wait", func(staging string) error {
			return errors.Join(os.Mkdir(staging+".old", 0o700), os.WriteFile(staging+".old/mine", nil, 0o600))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			if _, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: static(t, html, "earlier"), Paths: []string{"/"}, Dir: dir}); err != nil {
				t.Fatal(err)
			}
			h := answers(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", html)
				staging, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".out.export-*"))
				if err != nil || len(staging) != 1 {
					t.Errorf("%v, %v", staging, err)
					return
				}
				if err := row.meddle(staging[0]); err != nil {
					t.Error(err)
				}
			})
			report, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: h, Paths: []string{"/"}, Dir: dir})
			if err == nil || len(report.Pages) != 0 {
				t.Errorf("got %v, %v", report, err)
			}
			if diff := cmp.Diff(map[string]string{"index.html": "earlier"}, tree(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExportConfigReportsEveryMistake(t *testing.T) {
	_, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{
		Paths: []string{"a", "/a?b", "/a?", "/a#b", "/a/../b", "/a%2Fb"}, Workers: -1, Timeout: -1, MaxBytes: -1, MaxPages: -1, BaseURL: "https://example.com/base",
	})
	want := []string{
		"gatehouse: ExportConfig.Handler must not be nil",
		`gatehouse: ExportConfig.Paths[0] = "a" must be a path that begins with a slash, without query and fragment`,
		`gatehouse: ExportConfig.Paths[1] = "/a?b" must be a path that begins with a slash, without query and fragment`,
		`gatehouse: ExportConfig.Paths[2] = "/a?" must be a path that begins with a slash, without query and fragment`,
		`gatehouse: ExportConfig.Paths[3] = "/a#b" must be a path that begins with a slash, without query and fragment`,
		`gatehouse: ExportConfig.Paths[4] = "/a/../b" must have one reading: path has a dot segment`,
		`gatehouse: ExportConfig.Paths[5] = "/a%2Fb" must have one reading: path has an encoded slash or backslash, or a raw backslash`,
		"gatehouse: ExportConfig.Dir must not be empty",
		"gatehouse: ExportConfig.Workers = -1 must not be negative",
		"gatehouse: ExportConfig.Timeout = -1 must not be negative",
		"gatehouse: ExportConfig.MaxBytes = -1 must not be negative",
		"gatehouse: ExportConfig.MaxPages = -1 must not be negative",
		`gatehouse: ExportConfig.BaseURL = "https://example.com/base" must be an http or https origin`,
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
	_, err = gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: says("x"), Dir: "out"})
	if err == nil || err.Error() != "gatehouse: ExportConfig.Paths must name at least one path" {
		t.Errorf("no paths: %v", err)
	}
}

// Whatever path a page has, its file is below the folder and a path has one file.
func FuzzExport(f *testing.F) {
	for _, path := range []string{"/", "/a", "/a/", "/%2e%2e/x", "/a%00", "/..\\x", "/con", "/.gatehouse-export.json", "//x", "/a%2f..%2fb"} {
		f.Add(path, true)
		f.Add(path, false)
	}
	page, file := static(f, html, "x"), static(f, "text/plain", "x")
	f.Fuzz(func(t *testing.T, path string, isPage bool) {
		h := file
		if isPage {
			h = page
		}
		parent := t.TempDir()
		report, err := gatehouse.Export(t.Context(), gatehouse.ExportConfig{Handler: h, Paths: []string{path}, Dir: filepath.Join(parent, "out")})
		entries, _ := os.ReadDir(parent)
		if err != nil {
			if len(entries) != 0 {
				t.Fatalf("%q: %v, and %v is left", path, err, entries)
			}
			return
		}
		if len(entries) != 1 || len(tree(t, filepath.Join(parent, "out"))) != 1 || len(report.Pages) != 1 {
			t.Fatalf("%q: %v, %v", path, entries, report)
		}
	})
}

func ExampleExport() {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html><title>Home</title>")
	})
	home, err := gatehouse.CreateHandler(gatehouse.Methods{Get: page, Static: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	parent, err := os.MkdirTemp("", "site")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(parent)

	report, err := gatehouse.Export(context.Background(), gatehouse.ExportConfig{
		Handler: home,
		Paths:   []string{"/", "/about"},
		Dir:     filepath.Join(parent, "dist"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range report.Pages {
		fmt.Println(p.Path, "->", p.File)
	}
	// Output:
	// / -> index.html
	// /about -> about.html
}
