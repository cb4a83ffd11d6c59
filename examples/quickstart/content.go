package main

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed posts
var embedded embed.FS

// content is what the site shows: posts from a folder, and what happened last.
type content struct {
	files fs.FS

	mu    sync.Mutex
	event string // that last asked for a refresh
}

// A post is one file: its first line is the title.
type post struct {
	Slug  string `json:"slug"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// A feed is all posts as they were at one moment.
type feed struct {
	Posts    []post    `json:"posts"`
	LoadedAt time.Time `json:"loaded_at"`
	Because  string    `json:"because"`
}

// openContent reads posts from dir, or from those in the program where dir is empty.
func openContent(dir string) (*content, error) {
	c := &content{event: "start"}
	if dir != "" {
		c.files = os.DirFS(dir)
	} else {
		c.files, _ = fs.Sub(embedded, "posts") // a valid name
	}
	_, err := c.load(context.Background())
	return c, err
}

func (c *content) load(context.Context) (feed, error) {
	c.mu.Lock()
	f := feed{LoadedAt: time.Now(), Because: c.event}
	c.mu.Unlock()
	entries, err := fs.ReadDir(c.files, ".")
	if err != nil {
		return feed{}, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if path.Ext(name) != ".txt" {
			continue
		}
		text, err := fs.ReadFile(c.files, name)
		if err != nil {
			return feed{}, err
		}
		title, rest, _ := strings.Cut(string(text), "\n")
		f.Posts = append(f.Posts, post{Slug: strings.TrimSuffix(name, ".txt"), Title: title, Text: strings.TrimSpace(rest)})
	}
	return f, nil
}

// happened notes what the next load is for.
func (c *content) happened(event string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event = event
}

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Posts</title>
<h1>Posts</h1><ul>{{range .Posts}}<li><a href="/posts/{{.Slug}}">{{.Title}}</a></li>{{end}}</ul>
<p>Rendered at {{.LoadedAt.Format "15:04:05.000"}} because of: {{.Because}}</p></html>
`))

// page shows all posts, and when and why it was rendered.
func (c *content) page(w http.ResponseWriter, r *http.Request) {
	f, err := c.load(r.Context())
	if err != nil {
		http.Error(w, "posts cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, f) // the client is gone if this fails
}

// post shows one post of the path /posts/{slug}.
func (c *content) post(w http.ResponseWriter, r *http.Request) {
	f, err := c.load(r.Context())
	for _, p := range f.Posts {
		if p.Slug == r.PathValue("slug") && err == nil {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = fmt.Fprintf(w, "%s\n\n%s\n", p.Title, p.Text)
			return
		}
	}
	http.NotFound(w, r)
}
