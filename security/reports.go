package security

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

// Reasons for which [Reports] refuses what it is sent.
var (
	errReportMethod = refusal.New(http.StatusMethodNotAllowed, "reports come by POST")
	errReportType   = refusal.New(http.StatusUnsupportedMediaType, "reports are application/reports+json or application/csp-report")
	errReportSyntax = refusal.New(http.StatusBadRequest, "reports are not as the Reporting API says")
)

// A Report is what a browser tells about a page (Reporting API, section 2.2). All of it is written by a stranger: a
// program can send what it likes, and a URL may hold what its user would not show.
type Report struct {
	Type      string          // such as "csp-violation", "deprecation", "network-error"
	Age       time.Duration   // how long before sending it came about
	URL       string          // of the page
	UserAgent string          // as the report has it
	Body      json.RawMessage // the rest, a JSON object whose members depend on Type
}

// ReportsConfig says what a collector of reports does with them. The zero value logs and counts.
type ReportsConfig struct {
	// OnReport, if not nil, is called with each report, after it was counted and logged.
	OnReport func(context.Context, Report)

	// Limit and Burst bound how many deliveries are read from all clients together, since a program may send as many as
	// it likes; the rest are answered 429. Zero means 10 a second and a burst of 100.
	Limit rate.Limit
	Burst int

	// MaxBody bounds a delivery in bytes. Zero means 64 KiB.
	MaxBody int64

	// MaxReports bounds the reports read from one delivery; those beyond are counted as "dropped". Zero means 50.
	MaxReports int

	// OnError answers a delivery that is refused. Nil means a problem answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets each report at level Warn. URLs in it are cut before their query, and long texts cut. Nil means slog.Default().
	Logger *slog.Logger
}

// Reports is a handler to which browsers send reports: violations of a Content-Security-Policy or Permissions-Policy, deprecations,
// interventions, crashes and network errors (NEL). Mount it at the path that HeadersConfig.ReportingEndpoints and CSP.ReportURI
// name, outside of access and cross-origin checks. Where the pages are of another origin, their browsers ask first: put a [CORS] with the
// request field Content-Type in front. It is safe for concurrent use.
type Reports struct {
	onReport   func(context.Context, Report)
	limit      *rate.Limiter
	body       reqbody.Limits
	maxReports int
	counts     map[string]*atomic.Uint64 // of the types that browsers have; the map itself never changes
	refuser    refuser
}

// reportTypes are the types of the specifications; all others are counted as "other", so that a stranger cannot fill memory.
var reportTypes = []string{
	"coep", "coop", "crash", "csp-hash", "csp-violation", "deprecation", "document-policy-violation", "integrity-violation",
	"intervention", "network-error", "permissions-policy-violation", "potential-permissions-policy-violation",
}

// NewReports returns a Reports, or every mistake in c.
func NewReports(c ReportsConfig) (*Reports, error) {
	bad := invalid.Config{Package: "security"}
	if c.Limit < 0 {
		bad.Field("ReportsConfig.Limit", float64(c.Limit), "must not be negative")
	}
	if c.Burst < 0 {
		bad.Field("ReportsConfig.Burst", c.Burst, "must not be negative")
	}
	if c.MaxBody < 0 {
		bad.Field("ReportsConfig.MaxBody", c.MaxBody, "must not be negative")
	}
	if c.MaxReports < 0 {
		bad.Field("ReportsConfig.MaxReports", c.MaxReports, "must not be negative")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if c.Limit == 0 {
		c.Limit = 10
	}
	if c.Burst == 0 {
		c.Burst = 100
	}
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 10
	}
	if c.MaxReports == 0 {
		c.MaxReports = 50
	}
	p := &Reports{
		onReport:   c.OnReport,
		limit:      rate.NewLimiter(c.Limit, c.Burst),
		body:       reqbody.Limits{Max: c.MaxBody, Timeout: 10 * time.Second},
		maxReports: c.MaxReports,
		counts:     map[string]*atomic.Uint64{"other": {}, "dropped": {}},
		refuser:    newRefuser("reports", c.OnError, c.Logger),
	}
	for _, t := range reportTypes {
		p.counts[t] = new(atomic.Uint64)
	}
	return p, nil
}

// Counts returns how many reports of each type came since the start, those of types unknown to the specifications as
// "other", and those left out by MaxReports as "dropped". Types of which none came are not in it.
func (p *Reports) Counts() map[string]uint64 {
	out := map[string]uint64{}
	for t, n := range p.counts {
		if n := n.Load(); n > 0 {
			out[t] = n
		}
	}
	return out
}

// ServeHTTP takes a delivery of reports and answers 204.
func (p *Reports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reports, err := p.read(w, r)
	if err != nil {
		p.refuser.refuse(w, r, err)
		return
	}
	if left := len(reports) - p.maxReports; left > 0 {
		p.counts["dropped"].Add(uint64(left))
		reports = reports[:p.maxReports]
	}
	for _, report := range reports {
		n, ok := p.counts[report.Type]
		if !ok || report.Type == "dropped" {
			n = p.counts["other"]
		}
		n.Add(1)
		p.refuser.logger.LogAttrs(r.Context(), slog.LevelWarn, "browser report", report.attrs()...)
		if p.onReport != nil {
			p.onReport(r.Context(), report)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *Reports) read(w http.ResponseWriter, r *http.Request) ([]Report, error) {
	if r.Method != http.MethodPost {
		w.Header()["Allow"] = []string{"POST"}
		return nil, errReportMethod
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/reports+json" && media != "application/csp-report" {
		return nil, errReportType
	}
	if !p.limit.Allow() {
		w.Header()["Retry-After"] = []string{"60"} // browsers keep reports for a while and come again
		return nil, ErrRateLimited
	}
	body, err := reqbody.Read(w, r, p.body)
	if err != nil {
		return nil, err
	}
	if media == "application/csp-report" {
		return readCSPReport(body)
	}
	return readReports(body)
}

// readReports reads an application/reports+json body (Reporting API, section 4.1).
func readReports(body []byte) ([]Report, error) {
	var list []struct {
		Type      string          `json:"type"`
		Age       float64         `json:"age"`
		URL       string          `json:"url"`
		UserAgent string          `json:"user_agent"`
		Body      json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errReportSyntax
	}
	out := make([]Report, len(list))
	for i, e := range list {
		age := time.Duration(min(max(e.Age, 0), 1e9)) * time.Millisecond
		out[i] = Report{Type: e.Type, Age: age, URL: e.URL, UserAgent: e.UserAgent, Body: e.Body}
	}
	return out, nil
}

// readCSPReport reads the body that report-uri asks for (CSP Level 3, section 5.3).
func readCSPReport(body []byte) ([]Report, error) {
	var outer struct {
		Report json.RawMessage `json:"csp-report"`
	}
	var inner struct {
		URL string `json:"document-uri"`
	}
	if json.Unmarshal(body, &outer) != nil || json.Unmarshal(outer.Report, &inner) != nil {
		return nil, errReportSyntax
	}
	return []Report{{Type: "csp-violation", URL: inner.URL, Body: outer.Report}}, nil
}

const (
	// longestLogged bounds a text of a report in the log, and mostLogged the members of its body.
	longestLogged = 200
	mostLogged    = 20
)

// attrs returns the report as the log has it.
func (p *Report) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("type", logged(p.Type)), slog.String("url", logged(p.URL)), slog.Duration("age", p.Age)}
	var body map[string]any
	if json.Unmarshal(p.Body, &body) != nil {
		return attrs
	}
	var members []any
	for _, name := range slices.Sorted(maps.Keys(body))[:min(len(body), mostLogged)] {
		switch value := body[name].(type) {
		case string:
			members = append(members, slog.String(logged(name), logged(value)))
		case float64, bool:
			members = append(members, slog.Any(logged(name), value))
		}
	}
	return append(attrs, slog.Group("body", members...))
}

// logged cuts a text before what may be a query or fragment, where tokens are, and to a length.
func logged(s string) string {
	for i := range len(s) {
		if s[i] == '?' || s[i] == '#' {
			s = s[:i]
			break
		}
	}
	return strings.ToValidUTF8(s[:min(len(s), longestLogged)], "")
}
