package security

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"github.com/justinas/alice"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// Config says what the chain of [Default] does. Required are Target.Hosts, IPLimit.Policies and Body.MediaTypes: no value of them
// is right for every application.
//
// Each field is the configuration of one stage; its own comment says what zero means there. OnError and Logger of a stage
// that are nil are those given here.
type Config struct {
	Recover        RecoverConfig
	RequestID      RequestIDConfig
	ClientIP       ClientIPConfig
	AccessLog      AccessLogConfig
	Target         TargetConfig
	Headers        HeadersConfig
	Deadlines      DeadlinesConfig
	IPLimit        RateLimitConfig // a policy without a Key counts by address
	CORS           *CORSConfig     // nil: no page of another origin may read answers
	Methods        MethodsConfig
	CrossOrigin    CrossOriginConfig
	Body           BodyConfig
	Access         *Access          // with its own OnError and Logger; nil: handlers are open, or protect themselves by [Access.Require]
	PrincipalLimit *RateLimitConfig // nil: none; a policy without a Key counts by principal, else by address

	// Secrets are values that must not leave: the log of every stage and the guard of response headers look for them. Nil means
	// none are known.
	Secrets *Secrets

	// Off turns stages off. Nil means none but those whose configuration is nil.
	Off []Stage

	// Replace puts another middleware in a stage's place. Its constructor is called once here on a handler that is asked GET /
	// and POST / by no client, to see whether its ResponseWriter can be unwrapped, and whether it reads bodies too early.
	Replace map[Stage]alice.Constructor

	// Extra are middlewares of the application, each after a stage. They are tried as those of Replace.
	Extra []Extra

	// Order is another order of the stages; it must name all that are on. An order in which a stage would work on what
	// another had yet to check is refused. Nil means the order of the constants.
	Order []Stage

	// OnError answers what a stage refuses. Nil means each stage's own application/problem+json answer.
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets all that the stages log, through a [Redactor]. Nil means slog.Default().
	Logger *slog.Logger
}

// An Extra is a middleware of the application inside the chain of [Default].
type Extra struct {
	Name      string            // in Explain and in errors
	After     Stage             // the stage it stands just inside of, after earlier Extras of the same stage
	Wrap      alice.Constructor // the middleware
	ReadsBody bool              // it parses bodies of some type: it must then come after StageBody
}

// Default returns the chain that an internet-facing handler needs, in the order in which it is safe:
//
//	chain, err := security.Default(config)
//	...
//	server := security.Server(chain.Then(mux))
//
// The error is every mistake of every stage's configuration, and of the order. [Config.Explain] lists the stages.
func Default(c Config) (alice.Chain, error) {
	bad := invalid.Config{Package: "security"}
	steps := c.steps(&bad)
	var chain []alice.Constructor
	for _, s := range steps {
		if !s.On {
			continue
		}
		if wrap := s.wrap(&bad); wrap != nil {
			chain = append(chain, wrap)
		}
	}
	if err := bad.Err(); err != nil {
		return alice.Chain{}, err
	}
	return alice.New(append(chain, innermost)...), nil
}

// Explain lists the stages and extras from the outside in, which of them are on and why. It does not judge the configuration.
func (c Config) Explain() Plan {
	var plan Plan
	for _, s := range c.steps(new(invalid.Config)) {
		plan = append(plan, s.Step)
	}
	return append(plan, Step{Name: "decode", On: true, Why: "handlers read bodies by Decode, within the bounds of the body stage"})
}

// innermost stands around the handler. Stages outside copy the request, so it does here what needs the handler's own: it keeps the
// pattern that a mux matched for the access log, and removes the files of a form, as net/http does by the request it made.
func innermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			noteOf(r.Context()).setRoute(r.Pattern)
			if r.MultipartForm != nil {
				_ = r.MultipartForm.RemoveAll() // what cannot be removed is left to the system, as by net/http
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// step is a Step with what builds it.
type step struct {
	Step
	wrap func(bad *invalid.Config) alice.Constructor
}

// steps lays the chain out, and notes what is wrong with its shape.
func (c Config) steps(bad *invalid.Config) []step {
	order := c.Order
	if order == nil {
		order = safeOrder[:]
	}
	checkOrder(order, bad)
	stages := c.stages()
	for i, s := range c.Off {
		if !slices.Contains(safeOrder[:], s) {
			bad.Field("Config.Off["+strconv.Itoa(i)+"]", string(s), "must be one of the stages")
		}
		if c.Replace[s] != nil {
			bad.Field("Config.Off["+strconv.Itoa(i)+"]", string(s), "must not be replaced as well")
		}
	}
	for s := range c.Replace {
		if !slices.Contains(safeOrder[:], s) {
			bad.Field("Config.Replace", string(s), "must name one of the stages")
		}
	}
	var steps []step
	for _, s := range order {
		one, ok := stages[s]
		if !ok {
			continue // checkOrder noted it
		}
		steps = append(steps, c.changed(s, one, order))
		for i, e := range c.Extra {
			if e.After == s {
				steps = append(steps, c.extra(i, e, order))
			}
		}
	}
	for _, s := range safeOrder {
		if one := c.changed(s, stages[s], order); one.On && !slices.Contains(order, s) {
			bad.Field("Config.Order", string(s), "must be named, or turned off")
		}
	}
	c.checkExtras(order, bad)
	return steps
}

// changed applies Off and Replace to a stage.
func (c Config) changed(s Stage, one step, order []Stage) step {
	one.Name = string(s)
	switch {
	case slices.Contains(c.Off, s):
		one.On, one.Why = false, "turned off by Config.Off"
	case c.Replace[s] != nil:
		one.On, one.Why = true, "replaced by Config.Replace"
		one.wrap = func(bad *invalid.Config) alice.Constructor {
			return probed("Config.Replace["+strconv.Quote(string(s))+"]", c.Replace[s], c.tooEarly(s, order), bad)
		}
	}
	return one
}

// tooEarly returns the stage before which a middleware at stage s would read bodies that nobody has judged, "" where there is none.
func (c Config) tooEarly(s Stage, order []Stage) Stage {
	for _, guard := range [...]Stage{StageBody, StageIPLimit} {
		if at := slices.Index(order, guard); at >= 0 && !slices.Contains(c.Off, guard) {
			if slices.Index(order, s) < at {
				return guard
			}
			return ""
		}
	}
	return ""
}

func (c Config) extra(i int, e Extra, order []Stage) step {
	return step{
		Step: Step{Name: e.Name, On: true, Why: "an extra of the application"},
		wrap: func(bad *invalid.Config) alice.Constructor {
			return probed("Config.Extra["+strconv.Itoa(i)+"]", e.Wrap, c.tooEarly(e.After, order), bad)
		},
	}
}

func (c Config) checkExtras(order []Stage, bad *invalid.Config) {
	for i, e := range c.Extra {
		field := "Config.Extra[" + strconv.Itoa(i) + "]"
		if !slices.Contains(order, e.After) {
			bad.Field(field+".After", string(e.After), "must be one of the stages")
		}
		if guard := c.tooEarly(e.After, order); e.ReadsBody && guard != "" {
			bad.Field(field+".After", string(e.After), "must not be before "+string(guard)+": it would read a body without bounds, of a client that is not limited")
		}
		if e.Name == "" {
			bad.Hidden(field+".Name", "must not be empty")
		}
	}
}
