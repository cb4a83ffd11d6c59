package proxy

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// An upstreamSet finds upstreams by name and by origin.
type upstreamSet struct {
	byName   map[string]*upstream
	byOrigin map[string]*upstream
}

func newUpstreamSet(config map[string]Upstream, c *invalid.Config) upstreamSet {
	s := upstreamSet{byName: make(map[string]*upstream), byOrigin: make(map[string]*upstream)}
	names := make([]string, 0, len(config))
	for name := range config {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		up := newUpstream(name, config[name], c)
		s.byName[name] = up
		for _, t := range up.set.targets {
			if t.url.Path == "" && s.byOrigin[t.url.String()] == nil {
				s.byOrigin[t.url.String()] = up
			}
		}
	}
	return s
}

// find returns the upstream that origin (scheme://host[:port]) leads to, or nil.
func (s upstreamSet) find(origin string) *upstream {
	u, err := url.Parse(origin)
	if err != nil {
		return nil
	}
	if up := s.byName[strings.ToLower(u.Host)]; up != nil {
		return up
	}
	base, rule := parseTarget(origin)
	if rule != "" {
		return nil
	}
	return s.byOrigin[base.String()]
}

func (s upstreamSet) connect(logger *slog.Logger) {
	for _, up := range s.byName {
		up.connect(logger)
	}
}

func (s upstreamSet) closeIdle() {
	for _, up := range s.byName {
		up.transport.CloseIdleConnections()
	}
}
