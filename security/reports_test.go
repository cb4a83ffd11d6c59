package security_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

func mustReports(tb testing.TB, c security.ReportsConfig) *security.Reports {
	tb.Helper()
	if c.Logger == nil {
		c.Logger = discard
	}
	p, err := security.NewReports(c)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func deliver(p *security.Reports, media, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/reports", strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	return serve(p, r)
}

const (
	violation = `{"type":"csp-violation","age":2,"url":"https://a.example/p?token=secret","user_agent":"Mozilla/5.0",` +
		`"body":{"blockedURL":"https://evil.example/x.js?k=secret#f","effectiveDirective":"script-src-elem","lineNumber":12,"disposition":"enforce","nested":{"x":1}}}`
	legacy = `{"csp-report":{"document-uri":"https://a.example/p","blocked-uri":"inline","effective-directive":"script-src"}}`
)

func TestReportsAreTakenOrRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		media  string
		body   string
		code   int
		counts string
	}{
		{"a violation", "application/reports+json", "[" + violation + "]", 204, "map[csp-violation:1]"},
		{"a violation, with a parameter to the media type", "application/reports+json; charset=utf-8", "[" + violation + "]", 204, "map[csp-violation:1]"},
		{"a violation in the older form", "application/csp-report", legacy, 204, "map[csp-violation:1]"},
		{"reports of several types", "application/reports+json", `[{"type":"deprecation"},{"type":"network-error"},{"type":"deprecation"},{"type":"crash"}]`, 204, "map[crash:1 deprecation:2 network-error:1]"},
		{"a type that a stranger made up", "application/reports+json", `[{"type":"x"},{"type":"dropped"},{"type":"other"}]`, 204, "map[other:3]"},
		{"no report", "application/reports+json", `[]`, 204, "map[]"},
		{"more reports than are read", "application/reports+json", "[" + strings.Repeat(`{"type":"crash"},`, 60) + `{"type":"crash"}]`, 204, "map[crash:50 dropped:11]"},
		{"an absurd age", "application/reports+json", `[{"type":"crash","age":1e300},{"type":"crash","age":-1}]`, 204, "map[crash:2]"},
		{"another media type", "application/json", "[" + violation + "]", 415, "map[]"},
		{"no media type", "", "[]", 415, "map[]"},
		{"what is no JSON", "application/reports+json", `[`, 400, "map[]"},
		{"what is no list", "application/reports+json", violation, 400, "map[]"},
		{"a report with members of other types", "application/reports+json", `[{"type":7}]`, 400, "map[]"},
		{"an older form without its report", "application/csp-report", `{}`, 400, "map[]"},
		{"an older form that is none", "application/csp-report", `[]`, 400, "map[]"},
		{"more than is read", "application/reports+json", "[" + strings.Repeat(" ", 64<<10) + "]", 413, "map[]"},
	} {
		p := mustReports(t, security.ReportsConfig{})
		w := deliver(p, row.media, row.body)
		if got := fmt.Sprint(p.Counts()); w.Code != row.code || got != row.counts {
			t.Errorf("%s: %d, %s", row.name, w.Code, got)
		}
	}
	if w := serve(mustReports(t, security.ReportsConfig{}), request("GET", "/reports")); w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", w.Code, w.Header())
	}
}

func TestReportsAreLoggedWithoutWhatTheirURLsHide(t *testing.T) {
	var log strings.Builder
	var got []security.Report
	p := mustReports(t, security.ReportsConfig{
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		OnReport: func(_ context.Context, r security.Report) { got = append(got, r) },
	})
	deliver(p, "application/reports+json", "["+violation+`,{"type":"crash","body":[1]},{"type":"`+strings.Repeat("é", 300)+`\n"}]`)
	for _, want := range []string{"type=csp-violation", "url=https://a.example/p ", "body.blockedURL=https://evil.example/x.js ", "body.effectiveDirective=script-src-elem", "body.lineNumber=12"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), strings.Repeat("é", 101)) || strings.Count(log.String(), "\n") != 3 {
		t.Errorf("log:\n%s", log.String())
	}
	if len(got) != 3 || got[0].Age != 2*time.Millisecond || got[0].UserAgent != "Mozilla/5.0" || !strings.Contains(string(got[0].Body), "lineNumber") {
		t.Errorf("%+v", got)
	}
}

func TestReportsHaveALimitOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustReports(t, security.ReportsConfig{Limit: 1, Burst: 2})
		for i, want := range []int{204, 204, 429} {
			if w := deliver(p, "application/reports+json", "[]"); w.Code != want || (w.Header().Get("Retry-After") != "") != (want == 429) {
				t.Errorf("delivery %d: %d %v", i, w.Code, w.Header())
			}
		}
		time.Sleep(time.Second)
		if w := deliver(p, "application/reports+json", "[]"); w.Code != 204 {
			t.Errorf("a second later: %d", w.Code)
		}
	})
}

func TestNewReportsReportsEveryMistake(t *testing.T) {
	_, err := security.NewReports(security.ReportsConfig{Limit: -1, Burst: -1, MaxBody: -1, MaxReports: -1})
	for _, field := range []string{"Limit", "Burst", "MaxBody", "MaxReports"} {
		if err == nil || !strings.Contains(err.Error(), "ReportsConfig."+field+" = -1") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func ExampleNewReports() {
	reports, err := security.NewReports(security.ReportsConfig{
		Logger:   slog.New(slog.DiscardHandler),
		OnReport: func(_ context.Context, r security.Report) { fmt.Println(r.Type, r.URL) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("POST", "/reports", strings.NewReader(`[{"type":"deprecation","url":"https://app.example/"}]`))
	r.Header.Set("Content-Type", "application/reports+json")
	reports.ServeHTTP(httptest.NewRecorder(), r)
	fmt.Println(reports.Counts())
	// Output:
	// deprecation https://app.example/
	// map[deprecation:1]
}

func FuzzReports(f *testing.F) {
	f.Add("["+violation+"]", true)
	f.Add(legacy, false)
	f.Add(`[{"type":"csp-violation","body":null}]`, true)
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // it formats each record
	f.Fuzz(func(t *testing.T, body string, current bool) {
		p := mustReports(t, security.ReportsConfig{Logger: logger})
		media := "application/csp-report"
		if current {
			media = "application/reports+json"
		}
		if w := deliver(p, media, body); w.Code != 204 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%d", w.Code)
		}
	})
}

// Pages of another origin send their reports after a preflight (Reporting API, section 3.5; Fetch standard).
func TestReportsOfAnotherOriginBehindCORS(t *testing.T) {
	p, err := security.NewReports(security.ReportsConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h := mustCORS(t, security.CORSConfig{Origins: []string{"https://app.example"}, Headers: []string{"Content-Type"}}).Wrap(p)
	w := serve(h, request("OPTIONS", "/reports", "Origin: https://app.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"))
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Headers") != "Content-Type" {
		t.Errorf("the preflight: %d %v", w.Code, w.Header())
	}
	r := httptest.NewRequest("POST", "/reports", strings.NewReader(`[{"type":"deprecation","url":"https://app.example/","body":{}}]`))
	r.Header.Set("Content-Type", "application/reports+json")
	r.Header.Set("Origin", "https://app.example")
	if w = serve(h, r); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" || p.Counts()["deprecation"] != 1 {
		t.Errorf("the report: %d %v %v", w.Code, w.Header(), p.Counts())
	}
}
