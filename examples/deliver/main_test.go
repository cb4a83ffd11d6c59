package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
)

// deliver runs the command and returns what it printed and its exit code.
func deliver(t *testing.T, stdin string, args ...string) (string, int) {
	t.Helper()
	var out strings.Builder
	code := run(t.Context(), args, strings.NewReader(stdin), &out, io.Discard)
	return out.String(), code
}

// with returns a copy of args with more behind.
func with(args []string, more ...string) []string { return slices.Concat(args, more) }

// captured is a server that notes the last request.
type captured struct {
	*httptest.Server
	request *http.Request
	body    string
	status  int
}

func capture(t *testing.T) *captured {
	t.Helper()
	c := &captured{status: http.StatusNoContent}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.request, c.body = r, string(body)
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

// verifyArgs are the arguments that check what c got.
func (c *captured) verifyArgs(id, secret string) []string {
	args := []string{
		"verify", "-provider", id, "-secret", secret, "-url", c.URL + c.request.URL.RequestURI(),
		"-method", c.request.Method, "-body", "-", "-at", strconv.FormatInt(time.Now().Unix(), 10),
	}
	for name, values := range c.request.Header {
		for _, value := range values {
			args = append(args, "-header", name+": "+value)
		}
	}
	return args
}

func TestWhatIsSentIsAccepted(t *testing.T) {
	for _, id := range provider.IDs() {
		t.Run(id, func(t *testing.T) {
			scheme, err := provider.New(id)
			if err != nil {
				t.Fatal(err)
			}
			signing, verifying, err := scheme.(webhook.Signer).GenerateSecret()
			if err != nil {
				t.Fatal(err)
			}
			server := capture(t)
			body := fmt.Sprintf(`{"id":"evt_1","type":"invoice.paid","webhookTimestamp":%d}`, time.Now().UnixMilli())
			out, code := deliver(t, body, "send", "-provider", id, "-url", server.URL+"/hook", "-secret", signing.Reveal(), "-body", "-")
			if code != 0 || !strings.HasPrefix(out, "204 ") {
				t.Fatalf("send: %q, exit %d", out, code)
			}
			out, code = deliver(t, server.body, server.verifyArgs(id, verifying.Reveal())...)
			if code != 0 || !strings.HasPrefix(out, "accepted provider="+id) {
				t.Errorf("verify: %q, exit %d", out, code)
			}
			_, other, err := scheme.(webhook.Signer).GenerateSecret()
			if err != nil {
				t.Fatal(err)
			}
			out, code = deliver(t, server.body, server.verifyArgs(id, other.Reveal())...)
			if code != 1 || !strings.HasPrefix(out, "refused: ") {
				t.Errorf("verify under another secret: %q, exit %d", out, code)
			}
		})
	}
}

func TestVerifyPublishedDeliveries(t *testing.T) {
	stripe := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(stripe, []byte(`{"id":"evt_1","type":"invoice.paid"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	github := []string{"verify", "-provider", "github", "-body", "-", "-secret", "old", "-secret", "It's a Secret to Everybody"}
	tests := []struct {
		name string
		args []string
		want string
		code int
	}{
		{"GitHub's own example", with(github, "-header", "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
			"-header", "X-GitHub-Event: push", "-header", "X-GitHub-Delivery: 72d3 162e"), `accepted provider=github type=push id="72d3 162e"`, 0},
		{"without its signature", github, "refused: webhook: signature is missing", 1},
		{"another method", with(github, "-method", "GET"), "refused: webhook: method is not allowed", 1},
		{"no secret", []string{"verify", "-provider", "github"}, "refused: provider: Secrets", 1},
		{"an unknown provider", []string{"verify", "-provider", "nobody"}, `refused: provider: no provider has the id "nobody"`, 1},
		{"a wrong URL", with(github, "-url", "http://[", "-public-url", "http://app.example"), "refused: parse", 1},
		{"a missing file", []string{"verify", "-provider", "github", "-body", stripe + ".none"}, "refused: open ", 1},
		{"a stale delivery", []string{
			"verify", "-provider", "stripe", "-secret", "s", "-body", stripe, "-at", "4102444800",
			"-header", "Stripe-Signature: t=1614265330,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
		}, "refused: webhook: signature", 1},
		{
			"an altered body", with(slices.Replace(slices.Clone(github), 4, 5, stripe), "-header", "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
			"refused: webhook: signature does not match", 1,
		},
		{"a handshake", []string{
			"verify", "-provider", "meta", "-secret", "app", "-secret", "token", "-method", "GET",
			"-url", "https://app.example/hook?hub.mode=subscribe&hub.verify_token=token&hub.challenge=123",
		}, "accepted provider=meta type=handshake", 0},
		{"a handshake with another token", []string{
			"verify", "-provider", "meta", "-secret", "app", "-secret", "token", "-method", "GET",
			"-url", "https://app.example/hook?hub.mode=subscribe&hub.verify_token=x&hub.challenge=123",
		}, "refused: webhook: handshake is not valid", 1},
		{"the Ed25519 example of RFC 9421, appendix B.2.6", []string{
			"verify", "-provider", "rfc9421", "-secret", "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", "-url", "https://example.com/foo", "-at", "1618884473", "-body", "-",
			"-header", "Date: Tue, 20 Apr 2021 02:07:55 GMT", "-header", "Content-Type: application/json", "-header", "Content-Length: 18",
			"-header", `Signature-Input: sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`,
			"-header", "Signature: sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
		}, `accepted provider=rfc9421 type="" id="", but the signature does not cover the body`, 0},
		{"a header that is none", []string{"verify", "-header", "x"}, "", 2},
		{"a time that is none", []string{"verify", "-at", "NaN"}, "", 2},
		{"no command", nil, "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, code := deliver(t, "Hello, World!", tt.args...)
			if code != tt.code || !strings.HasPrefix(out, tt.want) {
				t.Errorf("%q, exit %d; want %q, exit %d", out, code, tt.want, tt.code)
			}
		})
	}
}

func TestSendReportsWhatWentWrong(t *testing.T) {
	server := capture(t)
	send := []string{"send", "-provider", "github", "-url", server.URL}
	if out, code := deliver(t, "", send...); code != 1 || !strings.Contains(out, "-secret is required") {
		t.Errorf("without a secret: %q, exit %d", out, code)
	}
	send = with(send, "-secret", "s")
	server.status = http.StatusUnauthorized
	if out, code := deliver(t, "", send...); code != 1 || !strings.HasPrefix(out, "refused: 401 Unauthorized") {
		t.Errorf("refused by the server: %q, exit %d", out, code)
	}
	server.status = http.StatusFound
	if out, code := deliver(t, "", send...); code != 1 || !strings.HasPrefix(out, "refused: 302 Found") {
		t.Errorf("a redirect: %q, exit %d", out, code)
	}
	server.status = http.StatusOK
	if out, code := deliver(t, "", with(send, "-public-url", "https://app.example/hook?a=1")...); code != 0 || server.request.URL.RawQuery != "a=1" {
		t.Errorf("signed for another URL: %q, exit %d, query %q", out, code, server.request.URL.RawQuery)
	}
	for name, args := range map[string][]string{
		"an unknown provider":   {"send", "-provider", "nobody"},
		"a URL that is none":    with(send, "-public-url", "http://["),
		"a target that is none": with(send, "-public-url", "http://app.example", "-url", "http://["),
		"nobody listens":        with(send, "-url", "http://127.0.0.1:1"),
	} {
		if out, code := deliver(t, "", args...); code != 1 || !strings.HasPrefix(out, "refused: ") {
			t.Errorf("%s: %q, exit %d", name, out, code)
		}
	}
}
