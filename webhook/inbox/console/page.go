package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/webhook/inbox"
)

//go:embed templates
var templates embed.FS

//go:embed static
var static embed.FS

// pages are the templates by name, each with the layout around it.
var pages = func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").ParseFS(templates, "templates/layout.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"overview", "list", "delivery", "confirm", "error"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(templates, "templates/"+name+".html"))
	}
	return all
}()

// A frame is what the layout shows around a page.
type frame struct {
	Ledger string // its title
	Title  string // of the page
	Here   string // of the navigation's links, the one that is open
	Base   string
	User   string
	Notice string
	Live   bool // the page follows what happens
	Page   any
}

// show answers with a page.
func (v *visit) show(name string, f frame) error {
	f.Live = f.Live && cap(v.console.streams) > 0
	f.Notice = v.notice()
	allowOrigin(v.w.Header())
	return v.render(http.StatusOK, name, f)
}

func (v *visit) render(status int, name string, f frame) error {
	f.Ledger, f.Base, f.User = v.console.title, v.base, visible(v.user)
	var out bytes.Buffer
	if err := pages[name].Execute(&out, f); err != nil {
		return err
	}
	h := v.w.Header()
	h["Content-Type"] = []string{"text/html; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(out.Len())}
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(out.Bytes()) // the client is gone if this fails
	}
	return nil
}

// asset answers with a static file, whose name is the path.
func (v *visit) asset() error {
	body, err := static.ReadFile("static/" + v.path)
	if err != nil {
		return err
	}
	kinds := map[string]string{"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
	h := v.w.Header()
	h["Content-Type"] = []string{kinds[v.path]}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(body) // the client is gone if this fails
	}
	return nil
}

// refuse answers with a page that says what is wrong in general; the cause goes to the log alone.
func (v *visit) refuse(err error) {
	status := refusal.Status(err)
	level := slog.LevelInfo
	if status >= 500 && v.r.Context().Err() == nil { // not for a user who did not wait
		level = slog.LevelError
	}
	v.console.logger.Log(v.r.Context(), level, "console refuses a request", "status", status, "user", v.user, "method", v.r.Method, "error", err)
	page := struct {
		Status int
		Text   string
		Inside bool // the user may see the console
	}{status, http.StatusText(status), v.user != ""}
	if text, ok := explanations[status]; ok {
		page.Text = text
	}
	for reason, text := range reasons {
		if errors.Is(err, reason) {
			page.Text = text
		}
	}
	if m, ok := errors.AsType[*mistake](err); ok {
		page.Text = m.text
	}
	if p, ok := errors.AsType[*partly](err); ok {
		page.Text = "The ledger failed after " + count(p.changed) + " of them were " + p.what + ". Those stay so. Ask for the rest again."
	}
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	if err := v.render(status, "error", frame{Title: title, Page: page}); err != nil {
		v.w.WriteHeader(status)
	}
}

// explanations are what an error page says about a status.
var explanations = map[int]string{
	http.StatusUnauthorized:          "Sign in to see this console.",
	http.StatusForbidden:             "You may not see this console.",
	http.StatusNotFound:              "There is nothing under this address.",
	http.StatusMethodNotAllowed:      "This address cannot be used that way.",
	http.StatusInternalServerError:   "Something went wrong here. The log says what.",
	http.StatusServiceUnavailable:    "The ledger cannot be reached now. Try again in a moment.",
	http.StatusRequestEntityTooLarge: "The form is too large.",
	http.StatusUnsupportedMediaType:  "This address takes forms only.",
}

// reasons are what an error page says about an error that more is known of.
var reasons = map[error]string{
	errCrossOrigin:     "The request came from another site, so nothing was done. Open the console and decide there.",
	inbox.ErrNotFound:  "There is no delivery with this number. It may have been removed when its time was over.",
	inbox.ErrStatus:    "The delivery has changed since the page was opened, and its status does not allow this any more.",
	inbox.ErrPurged:    "The body of this delivery was removed when its time was over, so it cannot be replayed.",
	inbox.ErrSelection: "The selection or the reason is incomplete.",
}
