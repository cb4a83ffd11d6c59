// Command benchmarks measures gatehouse beside other libraries, and beside the least that each job can cost, in one process run.
//
//	go run ./benchmarks [-part webhook] [-quick] [-out benchmarks/results]
//
// It prints a table, writes JSON and SVG charts, and exits with status 1 when a bar is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
	"github.com/gatehouse-go/gatehouse/benchmarks/internal/report"
)

// parts are what can be measured, in the order of the report.
var parts = []struct {
	name  string
	cases func(scratch string) []measure.Case // scratch is a folder that is removed at the end
}{
	{"webhook", webhookCases},
	{"inbox", inboxCases},
	{"proxy", proxyCases},
	{"security", securityCases},
	{"revalidate", revalidateCases},
	{"callback", callbackCases},
}

func main() {
	only := flag.String("part", "", "measure one part: "+partNames())
	quick := flag.Bool("quick", false, "fewer and shorter rounds")
	out := flag.String("out", "", "folder for results.json and charts; none are written without it")
	flag.Parse()

	options := measure.Options{Rounds: 11, Slice: 100 * time.Millisecond}
	if *quick {
		options = measure.Options{Rounds: 5, Slice: 20 * time.Millisecond}
	}
	missed, err := run(*only, *out, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(2)
	}
	if missed {
		os.Exit(1)
	}
}

func partNames() string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// run measures the parts, prints and writes them, and reports whether a bar was missed.
func run(only, out string, options measure.Options) (missed bool, err error) {
	scratch, err := os.MkdirTemp("", "gatehouse-bench-*")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	r := report.New()
	fmt.Printf("%s, %d CPUs, %s, %s, %s\n", r.Machine.CPU, r.Machine.CPUs, r.Machine.OS, r.Machine.Go, r.At.Format(time.DateOnly))
	color := isTerminal(os.Stdout)
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		for _, c := range p.cases(scratch) {
			results := measure.Run(c, options)
			measured := report.Case{Part: p.name, Name: c.Name, Results: results, Verdicts: measure.Judge(c.Bars, results)}
			if err := measured.Print(os.Stdout, color); err != nil {
				return false, err
			}
			r.Cases = append(r.Cases, measured)
		}
	}
	if len(r.Cases) == 0 {
		return false, fmt.Errorf("there is no part %q; there are %s", only, partNames())
	}
	misses := r.Misses()
	fmt.Printf("\n%d cases, %d bars missed\n", len(r.Cases), len(misses))
	for _, m := range misses {
		fmt.Println("missed:", m)
	}
	if out != "" {
		return len(misses) > 0, r.Write(out)
	}
	return len(misses) > 0, nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
