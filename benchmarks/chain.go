package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gatehouse-go/gatehouse/benchmarks/internal/load"
	"github.com/gatehouse-go/gatehouse/benchmarks/internal/measure"
)

// chainSecret is what the webhook of each server is called with.
const chainSecret = "s3cret"

// chainRequests are the twelve of the article that examples/nextjs begins with. Each goes through everything that the application has
// before its routes.
var chainRequests = []chainRequest{
	{"webhook with a wrong token", get("/webhook?token=wrong&tag=posts", 401)},
	{"webhook that invalidates a tag", get("/webhook?token="+chainSecret+"&tag=posts", 200)},
	{"callback that sets a session", get("/callback?session_token=abc&redirect_url=/cached", 307)},
	{"guarded path without credentials", get("/api/hello", 401)},
	{"guarded path with credentials", load.Request{Method: http.MethodGet, Target: "/api/hello", Header: "Authorization: Bearer secret\r\n", Statuses: []int{200}}},
	{"rewrite by the proxy function", get("/prwo/a", 200)},
	{"redirect by the proxy function", get("/pold/a", 307)},
	{"preflight that no handler declares", load.Request{Method: http.MethodOptions, Target: "/opts", Statuses: []int{204}}},
	// A client that is over its limit is let through now and then.
	{"rate limit that is exceeded", load.Request{Method: http.MethodPost, Target: "/limited", Statuses: []int{429, 204}}},
	{"rate limit that is not", load.Request{Method: http.MethodPost, Target: "/limited-big", Statuses: []int{204}}},
	{"cached page", get("/cached", 200)},
	{"cached data", get("/cached-data", 200)},
}

// ruleRequest is not of the article, which redirects in proxy.ts. Next.js answers the rules of next.config in its router, before
// anything of the application runs: so fast that no server on net/http is chainRate ahead of it, the one written by hand included.
// How far ours is ahead is told without a bar.
var ruleRequest = chainRequest{"redirect by a rule", get("/old-perm/a", 308)}

type chainRequest struct {
	name string
	load.Request
}

func get(target string, status int) load.Request {
	return load.Request{Method: http.MethodGet, Target: target, Statuses: []int{status}}
}

// Bars of the chain part: how much more processor time a request may take than with a server written by hand, and how many requests
// a second Next.js may answer for each of ours.
const (
	chainExtra = 5 * time.Microsecond
	chainRate  = 1.0 / 20
)

// connections that a server is asked over at a time.
const connections = 8

// warmUp is how many requests Next.js answers before it is measured: its compiler works on what runs often.
const warmUp = 300

// chainCases measure examples/nextjs, which has all of the library in one application, as a process beside a bare server, and
// beside Next.js where its folder is given. Neither of those logs a line for a request, and so ours does not either.
func chainCases(b *bench) []measure.Case {
	ctx, cancel := context.WithCancel(context.Background())
	b.stops = append(b.stops, cancel)
	secret := []string{"REVALIDATE_SECRET_TOKEN=" + chainSecret}
	type contender struct {
		name   string
		kind   measure.Kind
		server *load.Server
	}
	contenders := []contender{
		{"net/http by hand", measure.Limit, b.serve(ctx, "", secret, b.build("benchmarks/bare"), "ADDR")},
		{"gatehouse, examples/nextjs", measure.Ours, b.serve(ctx, "", secret, b.build("examples/nextjs"), "-addr", "ADDR", "-log", "error")},
	}
	bars := []measure.Bar{{Quantity: measure.ExtraTime, AtMost: float64(chainExtra)}}
	if b.nextjs != "" {
		if _, err := os.Stat(filepath.Join(b.nextjs, ".next", "BUILD_ID")); err != nil {
			must(fmt.Errorf("%s is not built: run npm install and npx next build there: %w", b.nextjs, err))
		}
		node, err := exec.LookPath("node")
		must(err)
		server := b.serve(ctx, b.nextjs, append(secret, "NODE_ENV=production", "NEXT_TELEMETRY_DISABLED=1"), node, filepath.Join("node_modules", "next", "dist", "bin", "next"), "start", "-H", "HOST", "-p", "PORT")
		contenders = append(contenders, contender{"Next.js", measure.Peer, server})
		bars = append(bars, measure.Bar{Quantity: measure.PeersRate, AtMost: chainRate})
	}
	caseOf := func(request chainRequest, bars []measure.Bar) measure.Case {
		c := measure.Case{Name: request.name, Bars: bars}
		for _, one := range contenders {
			client := load.NewClient(one.server, request.Request, connections)
			b.stops = append(b.stops, func() { must(client.Close()) })
			if one.kind == measure.Peer {
				client.Send(warmUp)
				must(client.Close())
			}
			c.Contenders = append(c.Contenders, measure.Contender{Name: one.name, Kind: one.kind, Do: client.Send, CPU: one.server.CPU})
		}
		return c
	}
	cases := []measure.Case{caseOf(ruleRequest, bars[:1])}
	for _, request := range chainRequests {
		cases = append(cases, caseOf(request, bars))
	}
	return cases
}

// build compiles a command of this repository and returns where it is.
func (b *bench) build(command string) string {
	file := filepath.Join(b.scratch, filepath.Base(command))
	out, err := exec.Command("go", "build", "-o", file, "github.com/gatehouse-go/gatehouse/"+command).CombinedOutput() //nolint:gosec,noctx // our own, and it ends
	if err != nil {
		must(fmt.Errorf("build %s: %w: %s", command, err, out))
	}
	return file
}

func (b *bench) serve(ctx context.Context, dir string, env []string, name string, args ...string) *load.Server {
	server, err := load.Start(ctx, dir, env, name, args...)
	must(err)
	b.stops = append(b.stops, func() { must(server.Stop()) })
	return server
}
