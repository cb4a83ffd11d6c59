// Apilist prints the exported API of the packages that it is given, one line for each constant, variable, function, type, field and
// method, sorted: a text to commit, so that a change of the API is a change that somebody reads.
//
//	apilist PATTERN...
//
// Internal packages and commands are left out. Names of parameters are not printed, for no caller depends on them.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"go/types"
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	lines, err := list(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "apilist:", err)
		os.Exit(1)
	}
	out := bufio.NewWriter(os.Stdout)
	for _, line := range lines {
		_, _ = fmt.Fprintln(out, line)
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "apilist:", err)
		os.Exit(1)
	}
}

// list returns the sorted lines of all packages that match the patterns.
func list(patterns []string) ([]string, error) {
	loaded, err := packages.Load(&packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps}, patterns...)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, p := range loaded {
		for _, fault := range p.Errors {
			err = errors.Join(err, fault)
		}
		if p.Name == "main" || strings.Contains(p.PkgPath+"/", "/internal/") || p.Types == nil {
			continue
		}
		for _, line := range declarations(p.Types) {
			lines = append(lines, p.PkgPath+": "+line)
		}
	}
	slices.Sort(lines)
	return lines, err
}

// declarations returns a line for each exported thing of a package.
func declarations(p *types.Package) []string {
	var lines []string
	scope := p.Scope()
	for _, name := range scope.Names() {
		object := scope.Lookup(name)
		if !object.Exported() {
			continue
		}
		switch object := object.(type) {
		case *types.Const:
			lines = append(lines, "const "+name+" "+written(p, object.Type())+" = "+object.Val().ExactString())
		case *types.Var:
			lines = append(lines, "var "+name+" "+written(p, object.Type()))
		case *types.Func:
			lines = append(lines, "func "+name+signature(p, object.Signature()))
		case *types.TypeName:
			lines = append(lines, typeLines(p, object)...)
		}
	}
	return lines
}

// typeLines returns a line for a type, and one for each of its exported fields and methods.
func typeLines(p *types.Package, name *types.TypeName) []string {
	if name.IsAlias() {
		return []string{"type " + name.Name() + " = " + written(p, types.Unalias(name.Type()))}
	}
	named, _ := name.Type().(*types.Named)
	full := name.Name() + typeParameters(p, named.TypeParams())
	var lines []string
	switch under := named.Underlying().(type) {
	case *types.Struct:
		lines = append(lines, "type "+full+" struct"+hidden(under))
		for field := range under.Fields() {
			if field.Exported() {
				lines = append(lines, "type "+full+" struct: "+field.Name()+" "+written(p, field.Type()))
			}
		}
	case *types.Interface:
		lines = append(lines, "type "+full+" interface")
		for method := range under.Methods() {
			lines = append(lines, "type "+full+" interface: "+method.Name()+signature(p, method.Signature()))
		}
	default:
		lines = append(lines, "type "+full+" "+written(p, under))
	}
	for method := range named.Methods() {
		if method.Exported() {
			receiver := name.Name()
			if _, pointer := method.Signature().Recv().Type().(*types.Pointer); pointer {
				receiver = "*" + receiver
			}
			lines = append(lines, "method ("+receiver+") "+method.Name()+signature(p, method.Signature()))
		}
	}
	return lines
}

// hidden says that a struct has unexported fields: nobody can then write it without naming fields, and comparing or converting it differs.
func hidden(s *types.Struct) string {
	for field := range s.Fields() {
		if !field.Exported() {
			return " (with unexported fields)"
		}
	}
	return ""
}

func signature(p *types.Package, s *types.Signature) string {
	text := typeParameters(p, s.TypeParams()) + tuple(p, s.Params(), s.Variadic())
	switch results := s.Results(); {
	case results.Len() == 1:
		text += " " + written(p, results.At(0).Type())
	case results.Len() > 1:
		text += " " + tuple(p, results, false)
	}
	return text
}

func tuple(p *types.Package, t *types.Tuple, variadic bool) string {
	parts := make([]string, t.Len())
	for i := range parts {
		parts[i] = written(p, t.At(i).Type())
	}
	if variadic {
		last := &parts[len(parts)-1]
		*last = "..." + strings.TrimPrefix(*last, "[]")
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func typeParameters(p *types.Package, list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	parts := make([]string, list.Len())
	for i := range parts {
		parts[i] = list.At(i).Obj().Name() + " " + written(p, list.At(i).Constraint())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// written is a type as the package itself would write it, with other packages by their paths.
func written(p *types.Package, t types.Type) string {
	if s, ok := t.(*types.Signature); ok {
		return "func" + signature(p, s)
	}
	return types.TypeString(t, types.RelativeTo(p))
}
