package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// stages says of each stage whether it is on, why, and how it is built.
func (c Config) stages() map[Stage]step {
	c = c.shared()
	c.dressRefusals()
	stages := map[Stage]step{
		StageRecover:     on("a panic is logged and answered 500", built(NewRecover, c.Recover)),
		StageRequestID:   on("every request has an id, in its answer and in logs", built(NewRequestID, c.RequestID)),
		StageClientIP:    on(c.explainClientIP(), built(NewClientIP, c.ClientIP)),
		StageAccessLog:   on("every request is logged, redacted", built(NewAccessLog, c.AccessLog)),
		StageTarget:      on("only the hosts served here, and paths with one reading", built(NewTarget, c.Target)),
		StageHeaders:     on("every answer has security fields, refusals too", built(NewHeaders, c.Headers)),
		StageDeadlines:   on("a slow client or handler is given up", built(NewDeadlines, c.Deadlines)),
		StageIPLimit:     on("each client's address has a quota", built(NewRateLimit, c.IPLimit)),
		StageMethods:     on("methods that no handler implements are refused", built(NewMethods, c.Methods)),
		StageCrossOrigin: on("pages of other origins cannot change state", built(NewCrossOrigin, c.CrossOrigin)),
		StageBody:        on("bodies are of a declared type, length and coding", built(NewBody, c.Body)),

		StageCORS:           off("Config.CORS is nil: no page of another origin may read answers"),
		StageAccess:         off("Config.Access is nil: handlers protect themselves by Access.Require"),
		StagePrincipalLimit: off("Config.PrincipalLimit is nil"),
	}
	if c.CORS != nil {
		stages[StageCORS] = on("pages of named origins may read answers; preflights are answered", built(NewCORS, *c.CORS))
	}
	if c.Access != nil {
		stages[StageAccess] = on("requests are let in by their credentials", func(*invalid.Config) alice.Constructor { return c.Access.Wrap })
	}
	if c.PrincipalLimit != nil {
		stages[StagePrincipalLimit] = on("each principal has a quota", built(NewRateLimit, *c.PrincipalLimit))
	}
	return stages
}

// dressRefusals gives the answers of the stages that stand outside of the headers stage, and answer, its fields too.
func (c *Config) dressRefusals() {
	if slices.Contains(c.Off, StageHeaders) || c.Replace[StageHeaders] != nil {
		return
	}
	headers, err := NewHeaders(c.Headers)
	if err != nil {
		return // it is reported where the stage is built
	}
	c.Recover.OnError = headers.dressed(c.Recover.OnError)
	c.Target.OnError = headers.dressed(c.Target.OnError)
}

func on(why string, wrap func(*invalid.Config) alice.Constructor) step {
	return step{Step: Step{On: true, Why: why}, wrap: wrap}
}

func off(why string) step { return step{Step: Step{Why: why}} }

// built returns what builds a stage by its constructor: its Wrap method, or nil and its mistakes.
func built[C any, W interface {
	Wrap(http.Handler) http.Handler
}](construct func(C) (W, error), config C) func(*invalid.Config) alice.Constructor {
	return func(bad *invalid.Config) alice.Constructor {
		w, err := construct(config)
		if err != nil {
			bad.Join(err)
			return nil
		}
		return w.Wrap
	}
}

func (c Config) explainClientIP() string {
	if c.ClientIP.Header == "" {
		return "the client is the peer of the connection"
	}
	return "the client is read from " + c.ClientIP.Header + " of " + strconv.Itoa(len(c.ClientIP.TrustedProxies)) + " trusted networks"
}

// shared gives the stages what they have in common. It changes copies only.
func (c Config) shared() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if h, ok := c.Logger.Handler().(*Redactor); !ok || c.Secrets != nil && h.scrub.secrets != c.Secrets {
		c.Logger = slog.New(&Redactor{next: c.Logger.Handler(), scrub: newScrubber(RedactorConfig{Secrets: c.Secrets}, new(invalid.Config))})
	}
	if c.AccessLog.Secrets == nil {
		c.AccessLog.Secrets = c.Secrets
	}
	if c.Headers.Secrets == nil {
		c.Headers.Secrets = c.Secrets
	}
	c.IPLimit.Policies = keyed(c.IPLimit.Policies, ByIP())
	if c.CORS != nil {
		cors := *c.CORS
		c.CORS = &cors
		c.share(&cors.OnError, &cors.Logger)
	}
	if c.PrincipalLimit != nil {
		limit := *c.PrincipalLimit
		limit.Policies = keyed(limit.Policies, FirstKey(ByPrincipal(), ByIP()))
		c.PrincipalLimit = &limit
		c.share(&limit.OnError, &limit.Logger)
	}
	c.share(&c.Recover.OnError, &c.Recover.Logger)
	c.share(nil, &c.AccessLog.Logger)
	c.share(&c.Target.OnError, &c.Target.Logger)
	c.share(nil, &c.Headers.Logger)
	c.share(&c.Deadlines.OnError, &c.Deadlines.Logger)
	c.share(&c.IPLimit.OnError, &c.IPLimit.Logger)
	c.share(&c.Methods.OnError, &c.Methods.Logger)
	c.share(&c.CrossOrigin.OnError, &c.CrossOrigin.Logger)
	c.share(&c.Body.OnError, &c.Body.Logger)
	return c
}

// share fills in a stage's OnError and Logger where they are nil.
func (c *Config) share(onError *func(http.ResponseWriter, *http.Request, error), logger **slog.Logger) {
	if onError != nil && *onError == nil {
		*onError = c.OnError
	}
	if *logger == nil {
		*logger = c.Logger
	}
}

// keyed returns a copy of policies in which key stands where there is none.
func keyed(policies []RatePolicy, key RateKey) []RatePolicy {
	policies = slices.Clone(policies)
	for i := range policies {
		if policies[i].Key == nil {
			policies[i].Key = key
		}
	}
	return policies
}
