package proxy

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/proxy/internal/pathexp"
)

// A ParamSpec is a parameter that a pattern or a condition can give.
type ParamSpec struct {
	Name     string
	Repeated bool // its value is a list
	Optional bool // a match may lack it
}

// checkSlots refuses a parameter that the rule cannot fill on every request.
func checkSlots(tokens []pathexp.Token, params []ParamSpec) error {
	for _, t := range tokens {
		spec, ok := findSpec(params, t.Name)
		switch {
		case !t.Param || t.Name == "":
		case t.Repeats() && t.Separator() == "":
			return fmt.Errorf("parameter :%s repeats without a slash or other text before each of its values", t.Name)
		case t.Optional():
		case !ok:
			return fmt.Errorf("parameter :%s is not in the source or its conditions", t.Name)
		case spec.Optional:
			return fmt.Errorf("parameter :%s may be absent from a match: write it with * here, or make it required in the source", t.Name)
		}
	}
	return checkLists(tokens, params)
}

// checkLists refuses a list in a place for one value.
func checkLists(tokens []pathexp.Token, params []ParamSpec) error {
	for _, t := range tokens {
		if spec, ok := findSpec(params, t.Name); t.Param && ok && spec.Repeated && !t.Repeats() {
			return fmt.Errorf("parameter :%s is a list: write :%s*", t.Name, t.Name)
		}
	}
	return nil
}

func findSpec(params []ParamSpec, name string) (ParamSpec, bool) {
	for _, spec := range slices.Backward(params) {
		if spec.Name == name {
			return spec, true
		}
	}
	return ParamSpec{}, false
}

func usesAny(tokens []pathexp.Token, params []ParamSpec) bool {
	for _, t := range tokens {
		if _, ok := findSpec(params, t.Name); ok && t.Param {
			return true
		}
	}
	return false
}
