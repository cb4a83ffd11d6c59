package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// hints returns lines to paste into a shell, with this run's secrets.
func hints(origin string, s secrets) string {
	var b strings.Builder
	line := func(what, command string) { fmt.Fprintf(&b, "# %s\n%s\n", what, command) }
	fmt.Fprintf(&b, "listening on %s\nsecrets of this run: token %s, GitHub %s, Stripe %s, Standard Webhooks %s, API key %s\n\n",
		origin, s.token, s.github, s.stripe, s.standard, s.apiKey)
	line("a cached page: twice the same time", "curl -s "+origin+"/; curl -s "+origin+"/")
	line("cached data", "curl -s "+origin+"/posts.json")
	line("refresh both by URL", "curl -s '"+origin+"/webhook?token="+s.token+"&tag=posts'")
	line("refresh by a signed GitHub delivery", signed(origin, "github", s, "-H 'X-GitHub-Event: push' "))
	line("refresh by a signed Stripe event (valid for 5 minutes)", signed(origin, "stripe", s, ""))
	line("refresh by a Standard Webhooks event (valid for 5 minutes)", signed(origin, "standard", s, ""))
	line("any other body, with a fresh signature", "echo '{\"a\":1}' | go run ./examples/deliver send -provider github -secret '"+s.github+"' -url "+origin+"/hooks/github -body -")
	line("sign in at a third party and come back", "curl -s -L -c /tmp/jar -b /tmp/jar '"+origin+"/login?redirect_url=/me'")
	line("an API without and with its key", "curl -s "+origin+"/api/hello; curl -s -H 'Authorization: Bearer "+s.apiKey+"' "+origin+"/api/hello")
	line("a redirect and a rewrite", "curl -si "+origin+"/old/first; curl -s "+origin+"/blog/first")
	line("a limited POST: 204 five times, then 429", "for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' -X POST "+origin+"/limited; done")
	line("one handler for GET and POST", "curl -s "+origin+"/factory; curl -s -X POST "+origin+"/factory")
	return b.String()
}

// signed returns a curl line with a delivery as the provider would sign it now.
func signed(origin, name string, s secrets, more string) string {
	body := `{"id":"evt_` + name + `","type":"post.published"}`
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, origin+"/hooks/"+name, nil)
	if err == nil {
		_, err = s.schemes()[name].Sign(r, []byte(body), time.Now(), s.secretOf(name))
	}
	if err != nil {
		return "# " + err.Error()
	}
	var line strings.Builder
	line.WriteString("curl -si -H 'Content-Type: application/json' " + more)
	for field := range r.Header {
		line.WriteString("-H '" + field + ": " + r.Header.Get(field) + "' ")
	}
	return line.String() + "-d '" + body + "' " + r.URL.String()
}
