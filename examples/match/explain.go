package main

import (
	"io"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// explain writes how a pattern reads a path.
func explain(out io.Writer, pattern, path string, config bool) error {
	o := proxy.PatternOptions{}
	if config {
		o.Reading = proxy.ReadingSource
	}
	p, err := o.Compile(pattern)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, p.Explain(path).String())
	return err
}
