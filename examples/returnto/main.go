// Command returnto says, line by line, where a browser may be sent.
//
// It reads JSON lines {"input":"","base":"","allowed_hosts":[]} on standard input and answers each with one line
// {"ok":true,"location":""}. Allowed are the https origins of the hosts listed and the origin of base; a relative input is
// resolved against the path of base, as a browser would.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/gatehouse-go/gatehouse/callback"
)

type question struct {
	Input        string   `json:"input"`
	Base         string   `json:"base"`
	AllowedHosts []string `json:"allowed_hosts"`
}

type answer struct {
	OK       bool   `json:"ok"`
	Location string `json:"location"`
}

func main() {
	if err := run(os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "returnto:", err)
		os.Exit(1)
	}
}

// run answers each line of in with one line of out. Why an input was refused goes to reasons.
func run(in io.Reader, out, reasons io.Writer) error {
	lines := bufio.NewReader(in)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if len(line) > 0 {
			location, refused := resolve(line)
			if refused != nil {
				_, _ = fmt.Fprintf(reasons, "line %d: %v\n", number, refused) // the answer says that it was refused
			}
			if err := answers.Encode(answer{OK: refused == nil, Location: location}); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// resolve returns the safe form of the input on one line, or why there is none.
func resolve(line []byte) (string, error) {
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return "", err
	}
	base, err := url.Parse(q.Base)
	if err != nil {
		return "", err
	}
	origins := []string{base.Scheme + "://" + base.Host}
	for _, host := range q.AllowedHosts {
		origins = append(origins, "https://"+host)
	}
	// An application makes its ReturnTo once, when it starts; here each line has origins of its own.
	returnTo, err := callback.NewReturnTo(origins...)
	if err != nil {
		return "", err
	}
	location, err := returnTo.ResolveFrom(base.EscapedPath(), q.Input)
	if err != nil {
		return "", err
	}
	return location, nil
}
