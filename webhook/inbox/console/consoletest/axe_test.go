package consoletest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// axe returns the script of axe-core, installed by npm from the lock file beside this test, once, into the user's cache folder.
func axe(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		absent(t, err.Error())
	}
	folder := filepath.Join(cache, "gatehouse-consoletest", "axe-core-4.14.1")
	file := filepath.Join(folder, "node_modules", "axe-core", "axe.min.js")
	if script, err := os.ReadFile(file); err == nil {
		return string(script)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		absent(t, "npm is not installed")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", "axe", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = folder
	if out, err := npm.CombinedOutput(); err != nil {
		absent(t, "npm ci: "+err.Error()+"\n"+string(out))
	}
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// judge has axe-core look at the page, and reports every violation of its rules.
func judge(ctx context.Context, t *testing.T, script, page string) {
	t.Helper()
	evaluate[any](ctx, t, script+"; null")
	evaluate[any](ctx, t, `window.verdict = undefined; axe.run(document, {resultTypes: ["violations"]}).then(
		r => { window.verdict = {count: r.passes.length, violations: r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => "   " + n.html.slice(0, 200) + " " + (n.any[0] ? n.any[0].message : "")).join("\n"))} },
		e => { window.verdict = {count: 1, violations: [String(e)]} }); null`)
	until(ctx, t, `window.verdict !== undefined`)
	verdict := evaluate[struct {
		Count      int      `json:"count"`
		Violations []string `json:"violations"`
	}](ctx, t, `window.verdict`)
	for _, v := range verdict.Violations {
		t.Errorf("%s: %s", page, v)
	}
	if verdict.Count == 0 {
		t.Errorf("%s: axe-core judged nothing", page)
	}
}
