package security

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// PermissionsPolicy says which origins may use which features of the browser in a page (W3C Permissions Policy): for each
// feature, such as "camera", the list of "self", "*" and origins such as "https://maps.example.com". An empty list turns
// the feature off. NewHeaders refuses values that could add to the field anything else.
type PermissionsPolicy map[string][]string

// DefaultPermissions turns off the features that reach devices, the user's surroundings or money. A page that needs one
// takes this map and allows it.
func DefaultPermissions() PermissionsPolicy {
	p := PermissionsPolicy{}
	for _, feature := range []string{
		"accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "hid", "idle-detection",
		"local-fonts", "magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking",
	} {
		p[feature] = []string{}
	}
	return p
}

// write checks the policy and returns it as a structured field's Dictionary (RFC 9651, section 3.2), in the order of names.
func (p PermissionsPolicy) write(bad *invalid.Config, field string) string {
	var members []string
	for _, feature := range slices.Sorted(maps.Keys(p)) {
		at := field + "[" + strconv.Quote(feature) + "]"
		if !isFeature(feature) {
			bad.Field(field, feature, "must have names of lower-case letters, digits and hyphens")
		}
		var list []string
		for i, origin := range p[feature] {
			switch origin {
			case "self", "*":
				list = append(list, origin)
			default:
				if !isHostSource(origin) || !strings.Contains(origin, "://") || strings.Count(origin, "/") != 2 {
					bad.Field(at+"["+strconv.Itoa(i)+"]", origin, `must be "self", "*" or an origin`)
				}
				list = append(list, `"`+origin+`"`)
			}
		}
		members = append(members, feature+"=("+strings.Join(list, " ")+")")
	}
	return strings.Join(members, ", ")
}

func isFeature(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}
