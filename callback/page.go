package callback

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/problem"
	"github.com/gatehouse-go/gatehouse/internal/requestid"
)

// Page is what a page of this package shows, and the data of an application's own template for it.
type Page struct {
	Status    int    // status of the answer
	Title     string // the heading
	Text      string // what happened, and what the person can do
	RequestID string // for a report to the support; may be empty

	// Link and LinkText lead on: to begin again, with the return target kept. Link is empty where there is nowhere to go.
	Link, LinkText string

	// Choices are links to choose from, such as several ways to sign in.
	Choices []Choice

	// Action and Fields are a form to confirm, empty on other pages: POST the fields to Action.
	Action string
	Fields []Field
	Button string
}

// Choice is one of several links on a [Page].
type Choice struct{ Link, Text string }

// Field is one hidden field of the form on a [Page].
type Field struct{ Name, Value string }

const pageStyle = `body{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color:#1a1a1a;background:#fff}` +
	`h1{font-size:1.5rem;line-height:1.25}a,button{font:inherit;color:#0b4fa8}` +
	`button{padding:.5rem 1.25rem;border:2px solid #0b4fa8;border-radius:.25rem;background:#0b4fa8;color:#fff;cursor:pointer}` +
	`:focus-visible{outline:3px solid #e08a00;outline-offset:2px}small{color:#595959}` +
	`@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}a{color:#8ab8ff}small{color:#aaa}}`

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}}</title>
<style>` + pageStyle + `</style>
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{- if .Choices}}
<ul>
{{- range .Choices}}
<li><a href="{{.Link}}">{{.Text}}</a></li>
{{- end}}
</ul>
{{- end}}
{{- if .Action}}
<form method="post" action="{{.Action}}">
{{- range .Fields}}
<input type="hidden" name="{{.Name}}" value="{{.Value}}">
{{- end}}
<button type="submit">{{.Button}}</button>
</form>
{{- end}}
{{- if .Link}}
<p><a href="{{.Link}}">{{.LinkText}}</a></p>
{{- end}}
{{- if .RequestID}}
<p><small>Request {{.RequestID}}</small></p>
{{- end}}
</main>
</body>
</html>
`))

// pagePolicy is the Content-Security-Policy of the default page, without form-action.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// Write answers with the page, executed by t or, where t is nil, by the package's own accessible template. Another site may not frame
// the answer, no cache keeps it, and no Referer leaves it. It must be the first write to w.
//
// FormTargets are the origins to which the answer to the form may redirect: browsers apply form-action to redirects too.
func (p Page) Write(w http.ResponseWriter, r *http.Request, t *template.Template, formTargets ...string) error {
	p.RequestID = requestid.From(r.Context())
	own := t == nil
	if own {
		t = pageTemplate
	}
	var body bytes.Buffer
	if err := t.Execute(&body, p); err != nil {
		return err
	}
	h := w.Header()
	noStore(h)
	if own {
		policy := pagePolicy + "; form-action 'none'"
		if p.Action != "" {
			policy = pagePolicy + "; form-action " + strings.Join(append([]string{"'self'"}, formTargets...), " ")
		}
		h.Set("Content-Security-Policy", policy)
	} else if h.Get("Content-Security-Policy") == "" {
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // the client is gone if this fails
	return nil
}

// Refuse answers a refused return: a page for a browser that shows what it gets, problem+json for a fetch, by what r accepts.
// Status, title and cause are those of the [Reason] in err; any other error is answered without a word of its text. Retry is where
// the person can begin again, or empty. The template may be nil.
func Refuse(w http.ResponseWriter, r *http.Request, err error, retry string, t *template.Template) {
	reason := reasonOf(err)
	h := w.Header()
	h.Add("Vary", "Accept, Sec-Fetch-Mode")
	if WantsPage(r) {
		p := Page{Status: reason.Status, Title: reason.Title, Text: reason.Cause, Link: retry, LinkText: "Begin again"}
		if p.Write(w, r, t) == nil || p.Write(w, r, nil) == nil { // a template that fails must not leave the person without a page
			return
		}
	}
	noStore(h)
	d := problem.Details{Status: reason.Status, Title: reason.Title, Detail: reason.Cause}
	if retry != "" {
		d.Members = map[string]any{"retry": retry}
	}
	problem.Write(w, r, d)
}

// noStore keeps an answer out of every cache, and its URL out of the next request.
func noStore(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

// WantsPage reports whether r is a browser's navigation rather than a fetch: by Sec-Fetch-Mode (Fetch Metadata) where it is sent,
// else by whether text/html is named in Accept and not ranked below JSON (RFC 9110, section 12.5.1).
func WantsPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Mode") {
	case "navigate":
		return true
	case "cors", "no-cors", "same-origin", "websocket":
		return false
	}
	html, json := 0.0, 0.0
	for _, line := range r.Header["Accept"] {
		for item := range strings.SplitSeq(line, ",") {
			media, params, _ := strings.Cut(item, ";")
			switch lower(strings.TrimSpace(media)) {
			case "text/html", "application/xhtml+xml":
				html = max(html, quality(params))
			case "application/json", "application/problem+json":
				json = max(json, quality(params))
			}
		}
	}
	return html > 0 && html >= json
}

// quality returns the weight among the parameters of a media range, 1 where none is given.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if lower(strings.TrimSpace(name)) == "q" {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
