package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
	"github.com/gatehouse-go/gatehouse/benchmarks/internal/report"
)

func sample() report.Case {
	results := []measure.Result{
		{Name: "bare <loop>", Kind: measure.Limit, Median: 100, Low: 90, High: 120},
		{Name: "gatehouse", Kind: measure.Ours, Median: 25_000, Allocs: 2, Bytes: 64},
		{Name: "other", Kind: measure.Peer, Median: 3_400_000, Allocs: 9},
	}
	bars := []measure.Bar{{Quantity: measure.Allocs, AtMost: 2}, {Quantity: measure.TimesLimit, AtMost: 1.4}}
	return report.Case{Part: "demo", Name: "a & b", Results: results, Verdicts: measure.Judge(bars, results)}
}

func TestPrint(t *testing.T) {
	var plain, colored strings.Builder
	sample().Print(&plain, false)
	sample().Print(&colored, true)
	for _, want := range []string{"demo: a & b", "bare <loop>", "100 ns", "1.00x", "25.0 us", "250.00x", "3.40 ms", "met: 2 allocations, at most 2", "MISSED: 250 x limit, at most 1.4"} {
		if !strings.Contains(plain.String(), want) {
			t.Errorf("no %q in:\n%s", want, plain.String())
		}
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colored.String(), "\x1b[31mMISSED") {
		t.Errorf("colour:\n%s", colored.String())
	}
	elsewhere := report.Case{Part: "demo", Name: "c", Results: []measure.Result{{Name: "server", Kind: measure.Ours, Median: 21_000, Rate: 4321}}}
	plain.Reset()
	elsewhere.Print(&plain, false)
	if !strings.Contains(plain.String(), "4321/s") || strings.Contains(plain.String(), "allocs") {
		t.Errorf("of another process:\n%s", plain.String())
	}
	weighed := report.Case{Part: "demo", Name: "memory", Results: []measure.Result{
		{Name: "small", Kind: measure.Limit, Held: 100.25}, {Name: "large", Kind: measure.Ours, Held: 3 << 20},
	}}
	plain.Reset()
	weighed.Print(&plain, false)
	if !strings.Contains(plain.String(), "100.2 B held") || !strings.Contains(plain.String(), "3.0 MiB held") {
		t.Errorf("what is held:\n%s", plain.String())
	}
	without := sample()
	without.Results = without.Results[1:]
	plain.Reset()
	without.Print(&plain, false)
	if !strings.Contains(plain.String(), "25.0 us     1.00x") {
		t.Errorf("without a limit ours is the reference:\n%s", plain.String())
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	r := report.New("go run it")
	r.Cases = append(r.Cases, sample())
	r.Cases[0].Results = append(r.Cases[0].Results, measure.Result{Name: "held", Kind: measure.Ours, Held: 12})
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	var back report.Report
	text, _ := os.ReadFile(filepath.Join(dir, "results.json"))
	if err := json.Unmarshal(text, &back); err != nil || len(back.Cases) != 1 || back.Machine.Go == "" || back.Cases[0].Results[1].Allocs != 2 {
		t.Errorf("results.json: %v, %s", err, text)
	}
	svg, err := os.Open(filepath.Join(dir, "demo.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer svg.Close()
	bars := 0
	for d := xml.NewDecoder(svg); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 5 { // the background and four contenders
		t.Errorf("%d rectangles", bars)
	}
}

func TestPage(t *testing.T) {
	r := report.New("go run it")
	r.Cases = append(r.Cases, sample(), report.Case{Part: "alone", Name: "memory", Results: []measure.Result{{Name: "large", Kind: measure.Ours, Held: 3 << 20}}})
	r.Facts["alone"] = []string{"a fact"}
	files, err := r.Files()
	if err != nil {
		t.Fatal(err)
	}
	page := string(files["README.md"])
	for _, want := range []string{
		r.Summary(), "| demo | 1 | 1 | 1 | 1 of 2 |", "| alone | 1 | 0 | 0 | 0 of 0 |", "by `go run it`", "1 were missed",
		"| a & b | gatehouse: 25.0 us, 2 allocs | other: 3.40 ms, 9 allocs | bare <loop>: 100 ns, 0 allocs | 2, of at most 2 allocations<br>**missed: 250, of at most 1.4 x limit** |",
		"| memory | large: 3.0 MiB |  |  |  |", "\n- a fact", "(demo.svg)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in:\n%s", want, page)
		}
	}
}

// What the repository shows is what was measured, and nothing else: the page and the charts are those of results.json, and README has their summary.
func TestTheCommittedFiguresAreTheMeasuredOnes(t *testing.T) {
	const dir = "../../../docs/figures"
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	files, err := r.Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what results.json says: %v", name, err)
		}
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil || !strings.Contains(string(readme), r.Summary()) || !strings.Contains(string(readme), r.Where()) {
		t.Errorf("README.md has not where, and what, was measured: %v\n%s\n\n%s", err, r.Where(), r.Summary())
	}
}

func TestMisses(t *testing.T) {
	r := report.Report{Cases: []report.Case{sample()}}
	misses := r.Misses()
	if len(misses) != 1 || misses[0] != "demo: a & b: gatehouse: MISSED: 250 x limit, at most 1.4" {
		t.Errorf("got %q", misses)
	}
}
