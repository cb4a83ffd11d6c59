package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's program is complete: it builds as it stands.
func TestTheProgramInTheReadmeBuilds(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("README.md has no Go program")
	}
	dir, err := os.MkdirTemp(".", "testdata-readme-") //nolint:usetesting // inside the module, so that its imports are found
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "./"+filepath.Base(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Every file and heading that a page links to is there.
func TestLinksLeadSomewhere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code := regexp.MustCompile("(?s)\n```.*?\n```|`[^`\n]*`") // the text of a link may be code, its target is not
	checked := 0
	err := filepath.WalkDir("..", func(page string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(page) != ".md" {
			return nil
		}
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		for _, link := range links.FindAllStringSubmatch(code.ReplaceAllString(string(text), "code"), -1) {
			if strings.Contains(link[1], ":") { // another site's
				continue
			}
			target, heading, _ := strings.Cut(link[1], "#")
			target = filepath.Join(filepath.Dir(page), target)
			if target == filepath.Dir(page) {
				target = page
			}
			checked++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if heading != "" && !hasHeading(t, target, heading) {
				t.Errorf("%s: %s has no heading #%s", page, target, heading)
			}
		}
		return nil
	})
	if err != nil || checked < 20 {
		t.Errorf("%d links, %v", checked, err)
	}
}

// hasHeading says whether a page has a heading whose anchor is the given one: lower case, with hyphens for spaces.
func hasHeading(t *testing.T, page, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		if strings.HasPrefix(line, "#") && strings.ReplaceAll(strings.ToLower(strings.Trim(title, "?.")), " ", "-") == anchor {
			return true
		}
	}
	return false
}
