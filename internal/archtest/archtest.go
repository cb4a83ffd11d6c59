// Package archtest checks which package may import which, by reading the import clauses of every Go file of the repository.
package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is the path of the root module; the paths of the others begin with it.
const Module = "github.com/gatehouse-go/gatehouse"

// features are the packages that a user picks one by one. None imports another, and the root imports none.
var features = []string{"webhook", "callback", "proxy", "security", "revalidate"}

// dependencies are the packages outside the standard library that the code of a room may import, with those below them, tests apart. A room
// may also import what the rooms around it may.
var dependencies = map[string][]string{
	"":                        {"github.com/justinas/alice"},
	".":                       {"golang.org/x/net/html"},
	"webhook":                 {"github.com/go-json-experiment/json", "golang.org/x/time/rate"},
	"webhook/inbox/inboxtest": {"github.com/google/go-cmp"},
	"callback/callbacktest":   {"github.com/go-jose/go-jose/v4"},
	"callback/oidc":           {"golang.org/x/oauth2", "github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4", "golang.org/x/sync", "golang.org/x/time/rate"},
	"proxy":                   {"golang.org/x/net/http/httpguts", "github.com/go-json-experiment/json"},
	"security":                {"golang.org/x/time/rate", "github.com/go-json-experiment/json", "golang.org/x/crypto", "golang.org/x/net/publicsuffix"},
	"security/jwt":            {"github.com/go-jose/go-jose/v4"},
	"security/sanitize":       {"github.com/microcosm-cc/bluemonday", "golang.org/x/net/html"},
	"internal/logsample":      {"golang.org/x/time/rate"},
	"revalidate":              {"github.com/maypok86/otter/v2", "golang.org/x/sync", "github.com/go-json-experiment/json"},
}

// forExampleTests find or make data, start servers and wait for the tests of examples, and show nothing.
var forExampleTests = []string{"internal/sample", "internal/testsender", "internal/testpostgres", "internal/testredis", "internal/testwait"}

// Check walks the tree below root and returns one line for each import that breaks a rule, sorted.
func Check(root string) ([]string, error) {
	var broken []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != root && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		imports, err := importsOf(file)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
		for _, imported := range imports {
			if rule := ruleBroken(path.Dir(name), strings.HasSuffix(name, "_test.go"), imported); rule != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", name, imported, rule))
			}
		}
		return nil
	})
	slices.Sort(broken)
	return broken, err
}

func importsOf(file string) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	imports := make([]string, len(parsed.Imports))
	for i, spec := range parsed.Imports {
		imports[i], _ = strconv.Unquote(spec.Path.Value) // the parser saw a string literal
	}
	return imports, nil
}

// ruleBroken returns the rule that a file in folder breaks by importing a package, or "".
func ruleBroken(folder string, test bool, imported string) string {
	room := first(folder)
	if imported == Module || strings.HasPrefix(imported, Module+"/") {
		return ownRuleBroken(folder, room, test, strings.TrimPrefix(strings.TrimPrefix(imported, Module), "/"))
	}
	switch {
	case !strings.Contains(first(imported), "."):
		return "" // the standard library
	case test || slices.Contains([]string{"examples", "benchmarks", "engines", "tools"}, room):
		return "" // tests, and the modules beside the root's, choose in their go.mod
	case !allowed(folder, imported):
		return "not among the dependencies of this room"
	}
	return ""
}

// ownRuleBroken judges an import of ours, given by its folder.
func ownRuleBroken(folder, room string, test bool, ours string) string {
	target := first(ours)
	switch {
	case room == "examples" && target == "internal" && (!test || !slices.Contains(forExampleTests, ours)):
		return "an example shows what a user can write"
	case (target == "examples" || target == "benchmarks") && room != target:
		return "nothing imports examples or benchmarks"
	case target == "engines" && room != "engines" && room != "examples" && room != "benchmarks":
		return "engines are imported by applications only"
	case room == "internal" && target != "internal":
		return "internal leaves import no other room"
	case folder == "." && slices.Contains(features, target):
		return "the root imports no feature package"
	case slices.Contains(features, room) && ours == "":
		return "a feature package does not import the root"
	case slices.Contains(features, room) && slices.Contains(features, target) && room != target:
		return "feature packages do not import one another"
	case !test && slices.Contains(features, folder) && strings.HasPrefix(ours, folder+"/") && !strings.HasPrefix(ours, folder+"/internal/"):
		return "a package does not import what is built on it"
	}
	return ""
}

// allowed reports whether the list of the folder, or of a room around it, has imported or a package above it.
func allowed(folder, imported string) bool {
	rooms := []string{"", folder}
	for around := path.Dir(folder); around != "."; around = path.Dir(around) {
		rooms = append(rooms, around)
	}
	for _, room := range rooms {
		for _, dependency := range dependencies[room] {
			if imported == dependency || strings.HasPrefix(imported, dependency+"/") {
				return true
			}
		}
	}
	return false
}

func first(p string) string {
	room, _, _ := strings.Cut(p, "/")
	return room
}
