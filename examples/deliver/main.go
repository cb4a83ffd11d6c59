// Deliver sends a webhook signed as its provider would, and checks one that was captured.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// options are the flags of both commands.
type options struct {
	provider, url, publicURL, method, body string

	secrets []webhook.Secret
	header  http.Header
	at      time.Time
}

// run returns the exit code: 0 for accepted, 1 for refused, 2 for a command that cannot be understood.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	commands := map[string]func(context.Context, *options, []byte) (string, error){"send": send, "verify": verify}
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		_, _ = fmt.Fprintln(stderr, "usage: deliver send|verify -provider ID -secret SECRET -url URL -body FILE\nproviders:", strings.Join(provider.IDs(), " "))
		return 2
	}
	o, err := parse(name, args, stderr)
	if err != nil {
		return 2 // the flag package has said why
	}
	body, err := o.read(stdin)
	var result string
	if err == nil {
		result, err = command(ctx, o, body)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stdout, "refused:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	_, _ = fmt.Fprintln(stdout, result)
	return 0
}

func parse(name string, args []string, stderr io.Writer) (*options, error) {
	o := &options{header: http.Header{}, at: time.Now()}
	f := flag.NewFlagSet("deliver "+name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.provider, "provider", "", "the provider's `id`: "+strings.Join(provider.IDs(), " "))
	f.StringVar(&o.url, "url", "https://app.example/webhook", "where the delivery goes, or went")
	f.StringVar(&o.publicURL, "public-url", "", "the `URL` as configured at the provider, where it is another than -url")
	f.StringVar(&o.method, "method", "", "request `method` (default: the provider's own)")
	f.StringVar(&o.body, "body", "", "`file` with the exact bytes of the body; - is standard input")
	f.Func("secret", "signing `secret`, token or key in the provider's format, newest first (repeatable)", func(s string) error {
		o.secrets = append(o.secrets, webhook.NewSecret(s))
		return nil
	})
	f.Func("header", "header `field` as 'Name: value' (repeatable)", func(s string) error {
		name, value, ok := strings.Cut(s, ":")
		if !ok {
			return errors.New("want 'Name: value'")
		}
		o.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	f.Func("at", "check, or sign, as of this Unix `time` in seconds (default: now)", func(s string) error {
		seconds, err := strconv.ParseInt(s, 10, 64)
		o.at = time.Unix(seconds, 0)
		return err
	})
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.publicURL == "" {
		o.publicURL = o.url
	}
	return o, nil
}

func (o *options) read(stdin io.Reader) ([]byte, error) {
	switch o.body {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(stdin)
	}
	return os.ReadFile(o.body) //nolint:gosec // the file that its user names
}

// send signs body as the provider does, sends it and returns the answer; one that is not 2xx is an error.
func send(ctx context.Context, o *options, body []byte) (string, error) {
	scheme, err := provider.New(o.provider, o.secrets...)
	if err != nil {
		return "", err
	}
	signer, ok := scheme.(webhook.Signer)
	if !ok || len(o.secrets) == 0 {
		return "", errors.New("-secret is required, and a provider that signs with it")
	}
	r, err := webhooktest.Delivery{
		Scheme: signer, Key: o.secrets[0], URL: o.publicURL, Method: o.method, Header: o.header, Body: body, At: o.at,
	}.Request(ctx)
	if err != nil {
		return "", err
	}
	if o.url != o.publicURL { // signed for the one, sent to the other
		target, err := r.URL.Parse(o.url)
		if err != nil {
			return "", err
		}
		target.RawQuery = r.URL.RawQuery
		r.URL, r.Host = target, ""
	}
	client := http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s", res.Status, bytes.TrimSpace(answer))
	}
	return fmt.Sprintf("%s %s", res.Status, bytes.TrimSpace(answer)), err
}
