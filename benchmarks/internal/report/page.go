package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

var pageTemplate = template.Must(template.New("page").Parse(`# Figures

{{.Where}}, by ` + "`{{.Command}}`" + `. It writes this page, its charts and [results.json](results.json).

Each job is done by all in one process, in turn, and a figure is the median of the rounds. "Least" is what the job costs at the least: bare hardware, bare
net/http, or a loop written by hand. A bar is what gatehouse must reach; {{.Bars}}.

{{.Summary}}
{{range .Parts}}
## {{.Name}}

![Times of each job, on a logarithmic scale]({{.Name}}.svg)

| job | gatehouse | fastest other library | least | bars |
|---|---|---|---|---|
{{range .Rows}}| {{.Job}} | {{.Ours}} | {{.Peer}} | {{.Limit}} | {{.Bars}} |
{{end}}{{range .Facts}}
- {{.}}
{{- end}}
{{end}}`))

type pagePart struct {
	Name  string
	Rows  []pageRow
	Facts []string
}

type pageRow struct{ Job, Ours, Peer, Limit, Bars string }

// page returns what was measured as Markdown.
func (r *Report) page() ([]byte, error) {
	data := struct {
		Where, Command, Bars, Summary string
		Parts                         []pagePart
	}{r.Where(), r.Command, "all were met", r.Summary(), nil}
	if n := len(r.Misses()); n > 0 {
		data.Bars = fmt.Sprintf("%d were missed in this run, and are set in bold", n)
	}
	for _, name := range r.partNames() {
		part := pagePart{Name: name, Facts: r.Facts[name]}
		for _, c := range r.byPart()[name] {
			part.Rows = append(part.Rows, rowOf(c))
		}
		data.Parts = append(data.Parts, part)
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, data)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), err
}

// Where says when and where it was measured.
func (r *Report) Where() string {
	return fmt.Sprintf("Measured on %s: %s, %d CPUs, %s, %s", r.At.Format(time.DateOnly), r.Machine.CPU, r.Machine.CPUs, r.Machine.OS, r.Machine.Go)
}

func (r *Report) partNames() (names []string) {
	for _, c := range r.Cases {
		if !slices.Contains(names, c.Part) {
			names = append(names, c.Part)
		}
	}
	return names
}

func rowOf(c Case) pageRow {
	row := pageRow{Job: c.Name, Peer: best(c, measure.Peer), Limit: best(c, measure.Limit)}
	for _, res := range c.Results {
		if res.Kind == measure.Ours {
			row.Ours += lineBreak(row.Ours) + res.Name + ": " + value(res)
		}
	}
	for _, v := range c.Verdicts {
		text := fmt.Sprintf("%s, of at most %s %s", number(v.Reached), number(v.Bar.AtMost), v.Bar.Quantity)
		if !v.Met {
			text = "**missed: " + text + "**"
		}
		row.Bars += lineBreak(row.Bars) + text
	}
	return row
}

func lineBreak(before string) string {
	if before == "" {
		return ""
	}
	return "<br>"
}

// best tells of the fastest of a kind, or of the smallest.
func best(c Case, kind measure.Kind) string {
	of := slices.DeleteFunc(slices.Clone(c.Results), func(r measure.Result) bool { return r.Kind != kind })
	if len(of) == 0 {
		return ""
	}
	found := slices.MinFunc(of, func(a, b measure.Result) int { return cmp.Compare(drawnValue(a), drawnValue(b)) })
	return found.Name + ": " + value(found)
}

// Summary returns a table with a line a part: in how many of the jobs that another library does too gatehouse is the fastest, by the fastest way of
// each, and how many bars are met.
func (r *Report) Summary() string {
	var b strings.Builder
	b.WriteString("| part | jobs | that another library does too | gatehouse is the fastest | bars met |\n|---|---|---|---|---|\n")
	for _, name := range r.partNames() {
		cases, compared, won, bars, met := r.byPart()[name], 0, 0, 0, 0
		for _, c := range cases {
			if ours, peer := fastest(c, measure.Ours), fastest(c, measure.Peer); ours > 0 && peer > 0 {
				compared++
				if ours < peer {
					won++
				}
			}
			bars += len(c.Verdicts)
			for _, v := range c.Verdicts {
				if v.Met {
					met++
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d of %d |\n", name, len(cases), compared, won, met, bars)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// fastest returns the least time of a kind, or zero where none of it is timed.
func fastest(c Case, kind measure.Kind) (found float64) {
	for _, r := range c.Results {
		if r.Kind == kind && r.Held == 0 && (found == 0 || r.Median < found) {
			found = r.Median
		}
	}
	return found
}
