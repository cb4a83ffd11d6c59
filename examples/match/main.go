// Match answers questions about patterns, conditions and destinations: one JSON object a line on standard input, one answer
// a line on standard output. With a pattern and a path as arguments it explains how the one reads the other.
//
//	go run ./examples/match '/blog/:slug' /blog/hello
//	echo '{"layer":"config","pattern":"/blog/:slug","path":"/Blog/hello"}' | go run ./examples/match
//	echo '{"kind":"redirect","source":"/a/:x","destination":"/b/:x","path":"/a/1"}' | go run ./examples/match -destination
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	destination := flag.Bool("destination", false, "the questions are about destinations")
	config := flag.Bool("config", false, "read the pattern in the arguments as next.config does")
	flag.Parse()
	if err := run(flag.Args(), *destination, *config, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "match:", err)
		os.Exit(1)
	}
}

func run(args []string, destination, config bool, in io.Reader, out io.Writer) error {
	switch len(args) {
	case 0:
		return answer(in, out, destination)
	case 2:
		return explain(out, args[0], args[1], config)
	}
	return errors.New("want a pattern and a path, or no arguments and questions on standard input")
}

// answer reads questions to the end.
func answer(in io.Reader, out io.Writer, destination bool) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	w := bufio.NewWriter(out)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var q question
		err := json.Unmarshal(lines.Bytes(), &q)
		var reply any
		if err == nil {
			if destination {
				reply, err = q.expand()
			} else {
				reply, err = q.match()
			}
		}
		if err != nil {
			reply = struct {
				Error string `json:"error"`
			}{err.Error()}
		}
		line, err := marshal(reply)
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return w.Flush()
}
