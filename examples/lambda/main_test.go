package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/gatehouse-go/gatehouse/engines/redis"
	"github.com/gatehouse-go/gatehouse/internal/testredis"
	"github.com/gatehouse-go/gatehouse/webhook"
	"github.com/gatehouse-go/gatehouse/webhook/provider"
	"github.com/gatehouse-go/gatehouse/webhook/webhooktest"
)

const (
	host     = "abc123.lambda-url.eu-west-1.on.aws"
	patience = 20 * time.Second
)

var secret = webhook.NewSecret("It's a Secret to Everybody")

// instance is the function as one execution environment runs it.
func instance(t *testing.T, addr string, log io.Writer) func(events.LambdaFunctionURLRequest) (int, string, map[string]string) {
	t.Helper()
	shared, err := redis.New(redis.Config{Addresses: []string{addr}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.Close)
	handler, err := app(shared, host, secret.Reveal(), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	invoke := lambdaurl.Wrap(handler)
	return func(e events.LambdaFunctionURLRequest) (int, string, map[string]string) {
		t.Helper()
		res, err := invoke(t.Context(), &e)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.Headers
	}
}

// document is an event of a function URL, in the payload format 2.0, with a change.
func document(t *testing.T, change func(*events.LambdaFunctionURLRequest)) events.LambdaFunctionURLRequest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e events.LambdaFunctionURLRequest
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&e)
	}
	return e
}

// delivery is the event by which a webhook arrives: as text, or in base64 as the platform sends what it takes for binary.
func delivery(t *testing.T, body string, binary bool, change func(*events.LambdaFunctionURLRequest)) events.LambdaFunctionURLRequest {
	t.Helper()
	r, err := webhooktest.Delivery{
		Scheme: provider.GitHub{}, Key: secret, Body: []byte(body), URL: "https://" + host + "/hooks/github",
		Header: http.Header{"X-Github-Event": {"push"}, "X-Github-Delivery": {"72d3162e-cc78-11e3-81ab-4c9367dc0958"}},
	}.Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return document(t, func(e *events.LambdaFunctionURLRequest) {
		e.RawPath, e.RequestContext.HTTP.Path, e.RequestContext.HTTP.Method = "/hooks/github", "/hooks/github", "POST"
		for name := range r.Header {
			e.Headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		e.Body = body
		if binary {
			e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
		}
		if change != nil {
			change(e)
		}
	})
}

func TestAnswersCarryTheChainsFields(t *testing.T) {
	ask := instance(t, testredis.Start(t), io.Discard)
	status, body, header := ask(document(t, nil))
	if status != 200 || !strings.HasPrefix(body, `{"unix":`) || header["Content-Type"] != "application/json" {
		t.Errorf("%d %s %v", status, body, header)
	}
	for _, name := range []string{"Strict-Transport-Security", "X-Content-Type-Options", "Ratelimit", "Ratelimit-Policy", "X-Request-Id"} {
		if header[name] == "" {
			t.Errorf("no %s in %v", name, header)
		}
	}
	if status, body, _ := ask(document(t, func(e *events.LambdaFunctionURLRequest) { e.RequestContext.DomainName = "evil.example" })); status != 421 && status != 400 {
		t.Errorf("another host: %d %s", status, body)
	}
	if status, _, _ := ask(document(t, func(e *events.LambdaFunctionURLRequest) { e.RawPath = "/api%2Ftime" })); status != 400 {
		t.Errorf("a path that can be read in two ways: %d", status)
	}
}

// A delivery is handled once, whichever instances its copies reach and however the platform encodes it.
func TestInstancesShareWhatTheyHaveSeen(t *testing.T) {
	addr := testredis.Start(t)
	var log bytes.Buffer
	one, two := instance(t, addr, &log), instance(t, addr, &log)
	const body = `{"zen":"Practicality beats purity."}`
	for i, ask := range []func(events.LambdaFunctionURLRequest) (int, string, map[string]string){one, two, one, two} {
		if status, text, _ := ask(delivery(t, body, i >= 2, nil)); status/100 != 2 {
			t.Errorf("copy %d: %d %s", i+1, status, text)
		}
	}
	if n := strings.Count(log.String(), "msg=event"); n != 1 {
		t.Errorf("it was handled %d times: %s", n, &log)
	}
	for name, e := range map[string]events.LambdaFunctionURLRequest{
		"a changed body":           delivery(t, body, false, func(e *events.LambdaFunctionURLRequest) { e.Body = strings.Replace(e.Body, "purity", "malice", 1) }),
		"a changed body in base64": delivery(t, body, true, func(e *events.LambdaFunctionURLRequest) { e.Body = base64.StdEncoding.EncodeToString([]byte(`{}`)) }),
		"no body":                  delivery(t, body, true, func(e *events.LambdaFunctionURLRequest) { e.Body = "" }),
	} {
		if status, text, _ := one(e); status != 401 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// A client's allowance is one, over all instances.
func TestInstancesShareLimits(t *testing.T) {
	addr := testredis.Start(t)
	instances := []func(events.LambdaFunctionURLRequest) (int, string, map[string]string){
		instance(t, addr, io.Discard), instance(t, addr, io.Discard), instance(t, addr, io.Discard),
	}
	refused := 0
	for i := range 60 {
		if status, _, _ := instances[i%3](document(t, nil)); status == 429 {
			refused++
		}
	}
	if refused < 30 { // 20 at once, and one more each second
		t.Errorf("%d of 60 were refused", refused)
	}
	if status, _, _ := instances[0](document(t, func(e *events.LambdaFunctionURLRequest) { e.RequestContext.HTTP.SourceIP = "2001:db8::1" })); status != 200 {
		t.Errorf("another client: %d", status)
	}
}

// The page about it shows this program, as it is.
func TestThePageShowsThisProgram(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "serverless.md"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/serverless.md shows another program than main.go")
	}
}

// The program as the platform starts it: it asks the runtime API for an event and posts the streamed answer.
func TestTheProgramSpeaksToTheRuntimeAPI(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "bootstrap")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	event, err := json.Marshal(document(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan string, 1)
	next := make(chan struct{}, 1)
	next <- struct{}{}
	ended, end := context.WithCancel(t.Context())
	const id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/2018-06-01/runtime/invocation/next":
			select {
			case <-next:
			case <-ended.Done():
				return
			}
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "4102444800000")
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:hooks")
			_, _ = w.Write(event)
		case "/2018-06-01/runtime/invocation/" + id + "/response":
			body, _ := io.ReadAll(r.Body)
			answers <- r.Header.Get("Content-Type") + " " + string(body)
			w.WriteHeader(http.StatusAccepted)
		case "/2020-01-01/extension/register": // by which a function hears that its instance ends
			w.Header().Set("Lambda-Extension-Identifier", "5d6c9f44-1a4e-4b8e-9b0e-2f1f0c9a7b61")
			_, _ = io.WriteString(w, "{}")
		case "/2020-01-01/extension/event/next":
			<-ended.Done()
		default:
			body, _ := io.ReadAll(r.Body)
			answers <- r.URL.Path + ": " + string(body)
		}
	}))
	defer api.Close()
	defer end()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(api.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=hooks", "_HANDLER=bootstrap",
		"FUNCTION_HOST="+host, "REDIS_ADDR="+testredis.Start(t), "GITHUB_WEBHOOK_SECRET="+secret.Reveal())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	select {
	case answer := <-answers:
		if !strings.HasPrefix(answer, "application/vnd.awslambda.http-integration-response ") || !strings.Contains(answer, `"statusCode":200`) || !strings.Contains(answer, `{"unix":`) {
			t.Errorf("the answer is %q", answer)
		}
	case <-time.After(patience):
		t.Error("no answer")
	}
}
