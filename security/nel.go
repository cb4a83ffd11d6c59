package security

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// NEL is Network Error Logging (W3C): browsers report where a connection to this host fails, or a name does not resolve.
// The endpoint is best on another host than the one whose failure it is to hear of.
type NEL struct {
	ReportTo          string        // one of HeadersConfig.ReportingEndpoints; required
	MaxAge            time.Duration // how long a browser does so, in whole seconds; zero means 30 days
	IncludeSubDomains bool          // also name errors of hosts below this one
	Fraction          float64       // of the failures that are reported, 0 to 1; zero means all
}

// write returns the fields NEL and Report-To. The second is what NEL still goes by, beside Reporting-Endpoints.
func (n *NEL) write(bad *invalid.Config, endpoints map[string]string) (policy, group string) {
	endpoint, ok := endpoints[n.ReportTo]
	if !ok {
		bad.Field("HeadersConfig.NEL.ReportTo", n.ReportTo, "must be one of ReportingEndpoints")
	}
	age := n.MaxAge
	if age < 0 || age > 0 && age < time.Second {
		bad.Field("HeadersConfig.NEL.MaxAge", age, "must be at least a second")
	}
	if age == 0 {
		age = 30 * 24 * time.Hour
	}
	fraction := n.Fraction
	if !(fraction >= 0 && fraction <= 1) {
		bad.Field("HeadersConfig.NEL.Fraction", fraction, "must be 0 to 1")
	}
	if fraction == 0 {
		fraction = 1
	}
	maxAge := `"max_age":` + strconv.FormatInt(int64(age/time.Second), 10)
	policy = `{"report_to":"` + n.ReportTo + `",` + maxAge + `,"failure_fraction":` + strconv.FormatFloat(fraction, 'f', -1, 64)
	if n.IncludeSubDomains {
		policy += `,"include_subdomains":true`
		maxAge += `,"include_subdomains":true`
	}
	return policy + "}", `{"group":"` + n.ReportTo + `",` + maxAge + `,"endpoints":[{"url":"` + endpoint + `"}]}`
}

// writeEndpoints writes Reporting-Endpoints, a Dictionary of strings (Reporting API, section 3.2).
func writeEndpoints(bad *invalid.Config, endpoints map[string]string) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		if !isFeature(name) {
			bad.Field("HeadersConfig.ReportingEndpoints", name, "must have names of lower-case letters, digits and hyphens")
		}
		if !isEndpoint(endpoints[name]) {
			bad.Field("HeadersConfig.ReportingEndpoints["+strconv.Quote(name)+"]", endpoints[name], "must be an absolute https URL or a path")
		}
		members = append(members, name+`="`+endpoints[name]+`"`)
	}
	return strings.Join(members, ", ")
}
