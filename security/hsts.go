package security

import (
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// HSTS is Strict-Transport-Security (RFC 6797). The zero value is a year for this host alone.
type HSTS struct {
	MaxAge            time.Duration // whole seconds are sent; zero means a year
	IncludeSubDomains bool          // also for all hosts below this one
	Preload           bool          // consents to the browsers' built-in list; needs IncludeSubDomains and a year
	InsecureOff       bool          // no such field
}

const year = 365 * 24 * time.Hour

func (s HSTS) write(bad *invalid.Config) string {
	if s.MaxAge < 0 || s.MaxAge > 0 && s.MaxAge < time.Second {
		bad.Field("HeadersConfig.HSTS.MaxAge", s.MaxAge, "must be at least a second")
	}
	if s.MaxAge == 0 {
		s.MaxAge = year
	}
	value := "max-age=" + strconv.FormatInt(int64(s.MaxAge/time.Second), 10)
	if s.IncludeSubDomains {
		value += "; includeSubDomains"
	}
	if s.Preload {
		if !s.IncludeSubDomains || s.MaxAge < year {
			bad.Field("HeadersConfig.HSTS.Preload", true, "needs IncludeSubDomains and a MaxAge of a year")
		}
		value += "; preload"
	}
	return value
}
