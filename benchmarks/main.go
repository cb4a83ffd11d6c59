// Command benchmarks measures gatehouse beside other libraries, and beside the least that each job can cost, in one process run.
//
//	go run ./benchmarks [-part webhook] [-quick] [-out docs/figures] [-nextjs DIR]
//
// It prints a table, writes JSON, a page and SVG charts, and exits with status 1 when a bar is missed. The chain part starts servers, and
// measures a Next.js application as well where -nextjs names its folder, built ("npm install && npx next build").
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
	"github.com/gatehouse-go/gatehouse/benchmarks/internal/report"
)

// parts are what can be measured, in the order of the report.
var parts = []struct {
	name  string
	cases func(*bench) []measure.Case
}{
	{"webhook", inFolder(webhookCases)},
	{"inbox", inboxCases},
	{"proxy", inFolder(proxyCases)},
	{"security", inFolder(securityCases)},
	{"revalidate", revalidateCases},
	{"callback", inFolder(callbackCases)},
	{"chain", chainCases},
}

// A bench is what the parts of a run are given.
type bench struct {
	scratch string   // a folder that is removed at the end
	quick   bool     // fewer and shorter rounds
	nextjs  string   // folder of a Next.js application, or empty
	stops   []func() // what ends the servers that a part has started
}

func (b *bench) stop() {
	for _, f := range b.stops {
		f()
	}
	b.stops = nil
}

func inFolder(cases func(scratch string) []measure.Case) func(*bench) []measure.Case {
	return func(b *bench) []measure.Case { return cases(b.scratch) }
}

func main() {
	if args := os.Getenv(natsServerEnv); args != "" {
		serveNATS(args)
		return
	}
	if name := os.Getenv(serveVariable); name != "" {
		if err := serveChild(name, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "benchmarks:", err)
			os.Exit(2)
		}
		return
	}
	only := flag.String("part", "", "measure one part: "+partNames())
	quick := flag.Bool("quick", false, "fewer and shorter rounds")
	nextjs := flag.String("nextjs", "", "`folder` of a Next.js application that is built, to measure in the chain part")
	out := flag.String("out", "", "folder for results.json, a page and charts; none are written without it")
	flag.Parse()

	options := measure.Options{Rounds: 11, Slice: 100 * time.Millisecond}
	if *quick {
		options = measure.Options{Rounds: 5, Slice: 20 * time.Millisecond}
	}
	missed, err := run(*only, *out, &bench{quick: *quick, nextjs: *nextjs}, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(2)
	}
	if missed {
		os.Exit(1)
	}
}

// command returns how this run was started, without what belongs to the machine.
func command() string {
	said := "go run ./benchmarks"
	flag.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "quick":
			said += " -quick"
		case "part":
			said += " -part " + f.Value.String()
		case "nextjs":
			said += " -nextjs DIR"
		}
	})
	return said
}

func partNames() string {
	names := make([]string, 0, len(parts)+1)
	for _, p := range parts {
		names = append(names, p.name)
	}
	return strings.Join(append(names, redisPart), ", ")
}

// run measures the parts, prints and writes them, and reports whether a bar was missed.
func run(only, out string, b *bench, options measure.Options) (missed bool, err error) {
	if b.scratch, err = os.MkdirTemp("", "gatehouse-bench-*"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.scratch)) }()
	defer b.stop()
	r := report.New(command())
	fmt.Printf("%s, %d CPUs, %s, %s, %s\n", r.Machine.CPU, r.Machine.CPUs, r.Machine.OS, r.Machine.Go, r.At.Format(time.DateOnly))
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		if err := measureAll(r, p.name, p.cases(b), options); err != nil {
			return false, err
		}
		b.stop()
	}
	if only == "" || only == redisPart {
		if err := measureRedis(r, only == redisPart, options); err != nil {
			return false, err
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

// measureAll measures the cases of a part, prints them and adds them to r.
func measureAll(r *report.Report, part string, cases []measure.Case, options measure.Options) error {
	for _, c := range cases {
		results := measure.Run(c, options)
		measured := report.Case{Part: part, Name: c.Name, Results: results, Verdicts: measure.Judge(c.Bars, results)}
		if err := measured.Print(os.Stdout, isTerminal(os.Stdout)); err != nil {
			return err
		}
		r.Cases = append(r.Cases, measured)
	}
	return nil
}

// redisPart is the part that needs a redis-server, without which it is left out unless it was asked for.
const redisPart = "redis"

func measureRedis(r *report.Report, required bool, options measure.Options) error {
	b, err := startRedis()
	if errors.Is(err, exec.ErrNotFound) && !required {
		fmt.Println("\nredis: left out, for redis-server is not installed")
		return nil
	}
	if err != nil {
		return err
	}
	defer b.stop()
	if err := measureAll(r, redisPart, b.cases(), options); err != nil {
		return err
	}
	fmt.Println()
	r.Facts[redisPart] = b.facts()
	for _, line := range r.Facts[redisPart] {
		fmt.Println("redis:", line)
	}
	return nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
