// Package report writes measurements as a table for a terminal, as JSON and as SVG charts.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// A Report is everything one run measured.
type Report struct {
	At      time.Time           `json:"at"`
	Command string              `json:"command"` // that made it
	Machine Machine             `json:"machine"`
	Cases   []Case              `json:"cases"`
	Facts   map[string][]string `json:"facts,omitempty"` // of a part, that are no times
}

// Machine says where it was measured.
type Machine struct {
	CPU  string `json:"cpu"`
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Go   string `json:"go"`
}

// Case is one measured case with its part.
type Case struct {
	Part     string            `json:"part"`
	Name     string            `json:"name"`
	Results  []measure.Result  `json:"results"`
	Verdicts []measure.Verdict `json:"verdicts,omitempty"`
}

// New returns an empty Report of now and here, by a command.
func New(command string) *Report {
	return &Report{At: time.Now().UTC().Truncate(time.Second), Command: command, Facts: map[string][]string{}, Machine: Machine{CPU: cpu(), CPUs: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}}
}

// cpu returns the processor's name where the system tells it.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.SplitSeq(string(info), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Misses returns a line for each bar that ours does not reach.
func (r *Report) Misses() []string {
	var misses []string
	for _, c := range r.Cases {
		for _, v := range c.Verdicts {
			if !v.Met {
				misses = append(misses, fmt.Sprintf("%s: %s: %s: %s", c.Part, c.Name, v.Ours, verdictText(v)))
			}
		}
	}
	return misses
}

// Print writes c as a table. Misses are red where color is true.
func (c Case) Print(w io.Writer, color bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n%s: %s\n", c.Part, c.Name)
	reference := c.Results[slices.IndexFunc(c.Results, func(r measure.Result) bool { return r.Kind == c.referenceKind() })].Median
	for _, r := range c.Results {
		if r.Held != 0 {
			fmt.Fprintf(&b, "  %-5s %-46s %14s held\n", r.Kind, r.Name, held(r.Held))
			continue
		}
		fmt.Fprintf(&b, "  %-5s %-46s %14s %8.2fx %s\n", r.Kind, r.Name, nanoseconds(r.Median), r.Median/reference, rest(r))
	}
	for _, v := range c.Verdicts {
		text := verdictText(v)
		if color && !v.Met {
			text = "\x1b[31m" + text + "\x1b[0m"
		}
		fmt.Fprintf(&b, "  bar   %s\n", text)
	}
	_, err := b.WriteTo(w)
	return err
}

// rest is what is told of a result beside its time.
func rest(r measure.Result) string {
	if r.Rate > 0 {
		return fmt.Sprintf("of CPU time %10.0f/s", r.Rate)
	}
	return fmt.Sprintf("%14s of CPU time %8.0f allocs %10.0f B", nanoseconds(r.CPU), r.Allocs, r.Bytes)
}

// referenceKind is the kind that ratios are printed against: the limit, or ours where the case has none.
func (c Case) referenceKind() measure.Kind {
	if slices.ContainsFunc(c.Results, func(r measure.Result) bool { return r.Kind == measure.Limit }) {
		return measure.Limit
	}
	return measure.Ours
}

func verdictText(v measure.Verdict) string {
	word := "met"
	if !v.Met {
		word = "MISSED"
	}
	return fmt.Sprintf("%s: %s %s, at most %s", word, number(v.Reached), v.Bar.Quantity, number(v.Bar.AtMost))
}

func number(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}

func held(bytes float64) string {
	if bytes >= 1<<20 {
		return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
	}
	return fmt.Sprintf("%.1f B", bytes)
}

func nanoseconds(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e4:
		return fmt.Sprintf("%.1f us", ns/1e3)
	}
	return fmt.Sprintf("%.0f ns", ns)
}

// Write puts what Files returns into dir, which is made.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // results are for everyone to read
		return err
	}
	files, err := r.Files()
	errs := []error{err}
	for name, text := range files {
		errs = append(errs, os.WriteFile(filepath.Join(dir, name), text, 0o644)) //nolint:gosec // as above
	}
	return errors.Join(errs...)
}

// Files returns what tells of r, by name: results.json, README.md, and a chart a part.
func (r *Report) Files() (map[string][]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	page, err := r.page()
	files := map[string][]byte{"results.json": append(text, '\n'), "README.md": page}
	for part, cases := range r.byPart() {
		files[part+".svg"] = chart(part, r, cases)
	}
	return files, err
}

func (r *Report) byPart() map[string][]Case {
	parts := map[string][]Case{}
	for _, c := range r.Cases {
		parts[c.Part] = append(parts[c.Part], c)
	}
	return parts
}
