package report

import (
	"bytes"
	"fmt"
	"html/template"
	"math"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// Sizes of a chart, in pixels.
const (
	chartWidth = 860
	labelWidth = 330
	rowHeight  = 20
	caseGap    = 34
)

// chartTemplate draws horizontal bars on a logarithmic scale a case: contenders differ by orders of magnitude.
var chartTemplate = template.Must(template.New("chart").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img" aria-label="{{.Title}}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="10" y="20" font-size="14" font-weight="600" fill="#111">{{.Title}}</text>
<text x="10" y="36" fill="#555">{{.Subtitle}}</text>
{{range .Cases}}<text x="10" y="{{.Y}}" font-weight="600" fill="#111">{{.Name}}</text>
{{range .Rows}}<text x="10" y="{{.TextY}}" fill="#333">{{.Label}}</text><rect x="{{.X}}" y="{{.Y}}" width="{{.Width}}" height="14" rx="2" fill="{{.Fill}}"/><text x="{{.ValueX}}" y="{{.TextY}}" fill="#333">{{.Value}}</text>
{{end}}{{end}}</svg>
`))

type chartData struct {
	Title, Subtitle string
	Width, Height   int
	Cases           []chartCase
}

type chartCase struct {
	Name string
	Y    int
	Rows []chartRow
}

type chartRow struct {
	Label, Value, Fill string
	X, Y, TextY        int
	Width, ValueX      int
}

// drawnValue is what the length of a bar stands for.
func drawnValue(r measure.Result) float64 {
	if r.Held != 0 {
		return r.Held
	}
	return r.Median
}

// chart draws the cases of one part.
func chart(part string, r *Report, cases []Case) []byte {
	data := chartData{
		Title: "gatehouse " + part + ": time a job, logarithmic",
		Subtitle: fmt.Sprintf("%s, %d CPUs, %s, %s; green: gatehouse, blue: other libraries, grey: the least, ochre: another way to a similar end",
			r.Machine.CPU, r.Machine.CPUs, r.Machine.Go, r.At.Format("2006-01-02")),
		Width: chartWidth,
	}
	y := 60
	for _, c := range cases {
		drawn := chartCase{Name: c.Name, Y: y}
		low, high := math.Inf(1), 0.0
		for _, res := range c.Results {
			low, high = min(low, drawnValue(res)), max(high, drawnValue(res))
		}
		for _, res := range c.Results {
			y += rowHeight
			width := 10 + int(float64(chartWidth-labelWidth-150)*math.Log(drawnValue(res)/low)/max(math.Log(high/low), 0.1))
			drawn.Rows = append(drawn.Rows, chartRow{
				Label: res.Name, Value: value(res), Fill: fill(res.Kind),
				X: labelWidth, Y: y - 11, TextY: y, Width: width, ValueX: labelWidth + width + 6,
			})
		}
		data.Cases = append(data.Cases, drawn)
		y += caseGap
	}
	data.Height = y
	var b bytes.Buffer
	if err := chartTemplate.Execute(&b, data); err != nil {
		return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg"><desc>%s</desc></svg>`, template.HTMLEscapeString(err.Error()))
	}
	return b.Bytes()
}

func value(r measure.Result) string {
	if r.Held != 0 {
		return held(r.Held)
	}
	if r.Rate > 0 {
		return fmt.Sprintf("%s CPU, %.0f/s", nanoseconds(r.Median), r.Rate)
	}
	return fmt.Sprintf("%s, %.0f allocs", nanoseconds(r.Median), r.Allocs)
}

func fill(kind measure.Kind) string {
	switch kind {
	case measure.Ours:
		return "#1a7f5a"
	case measure.Limit:
		return "#b8b8b8"
	case measure.Peer:
		return "#6b8fc9"
	case measure.Aside:
		return "#c9a66b"
	}
	return "#000"
}
