package oidc

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/internal/logsample"
)

// Config configures a [Login] whose users are of type U.
type Config[U any] struct {
	// Providers are where people sign in. Required: at least one. Where there are several, the person chooses among them in this order.
	Providers []Provider

	// BaseURL is the application's own origin as browsers see it, such as "https://app.example.com". Required. It is never taken
	// from a request, whose Host anybody can choose.
	BaseURL string

	// User turns the identity that a provider vouches for into the application's user. Required. Find an account by Issuer and
	// Subject together, never by an e-mail address alone. An error refuses the login; a [callback.Reason] says why.
	User func(ctx context.Context, id Identity) (U, error)

	// Keys seals the logins under way, and the session where Sessions is nil. Required.
	Keys *callback.Keyring

	// Sessions holds the session that a login starts. Nil means sessions of 12 hours, whole in a sealed cookie. Logout from the provider's
	// side needs sessions with a Store.
	Sessions *callback.Sessions[U]

	// ReturnTo says where a browser may be sent after a login. Nil means the origin of BaseURL alone.
	ReturnTo *callback.ReturnTo

	// CallbackPath is the path at which Callback is routed. Empty means "/auth/callback". With several providers, each has its own
	// below it ("/auth/callback/google"), as RFC 9700, section 4.4.2, asks against mix-up attacks.
	CallbackPath string

	// LoginPath is the path at which Start is routed, for links to begin again. Empty means "/login".
	LoginPath string

	// Home is the path to go to after a login without return target, and AfterLogout the one after a logout. Empty means "/".
	// Register BaseURL + AfterLogout with the provider as post-logout redirect URI.
	Home, AfterLogout string

	// ReturnToParam and ProviderParam are the parameters of Start. Empty means "return_to" and "provider".
	ReturnToParam, ProviderParam string

	// Authorize, if not nil, adds to one login what its request calls for, such as a step-up with MaxAge or ACRValues.
	Authorize func(r *http.Request) Authorization

	// LogoutHint returns what of a user the provider needs to end its own session too. Nil means that Logout ends the
	// session at the provider without naming it, which most providers ask the person to confirm.
	LogoutHint func(U) LogoutHint

	// Marks remembers which logins have ended and which logout tokens were taken. Nil means that this process alone does; processes that
	// answer for one host share a store.
	Marks callback.MarkStore

	// Lifetime is how long a login may take. Zero means 10 minutes; at most 24 hours.
	Lifetime time.Duration

	// Client reaches the providers. Nil means a client of the package's own. In either case redirects are not followed, an answer
	// beyond 1 MiB is cut off, and a call ends after 15 seconds.
	Client *http.Client

	// AllowUnreachable lets New succeed while a provider cannot be reached; logins there are answered 503 until it can.
	AllowUnreachable bool

	// InsecureHTTP drops Secure and the __Host- prefix from cookies and allows a BaseURL with http, for development.
	InsecureHTTP bool

	// Page replaces the page that a refused browser sees; its data is a [callback.Page]. Nil means the package's own.
	Page *template.Template

	// OnError replaces the answer to a refused request. Nil means [callback.Refuse].
	OnError func(http.ResponseWriter, *http.Request, error)

	// Logger gets the cause of each refusal, without code, state or token; a flood is logged in samples. Nil means slog.Default().
	Logger *slog.Logger
}

// Authorization is what one login asks of the provider beyond its configuration. Zero fields ask nothing.
type Authorization struct {
	Prompt    string         // "login", "consent", "select_account" or "none"
	LoginHint string         // the account that the person probably means
	ACRValues []string       // authentication contexts wanted, most wanted first; see [Identity.ACR] for what was given
	MaxAge    *time.Duration // the longest time since the person last proved who they are, enforced by auth_time; zero asks for it now
	UILocales []string       // languages wanted, most wanted first
}

// Login signs people in. Make one with [New]; its methods return the handlers to route. It is safe for concurrent use.
type Login[U any] struct {
	config    Config[U]
	providers map[string]*provider
	order     []*provider
	flows     *callback.Flows
	lines     *logsample.Refusals
	refreshes refreshes
}

// New returns a Login after asking each provider for its metadata, or every mistake in c at once. The context bounds the asking.
func New[U any](ctx context.Context, c Config[U]) (*Login[U], error) {
	bad := invalid.Config{Package: "callback/oidc"}
	origin := checkBase(&bad, c.BaseURL, c.InsecureHTTP)
	if c.User == nil {
		bad.Hidden("Config.User", "is required")
	}
	if c.Keys == nil {
		bad.Hidden("Config.Keys", "is required")
	}
	for _, p := range []struct {
		field, standard string
		path            *string
	}{
		{"CallbackPath", "/auth/callback", &c.CallbackPath},
		{"LoginPath", "/login", &c.LoginPath},
		{"Home", "/", &c.Home},
		{"AfterLogout", "/", &c.AfterLogout},
	} {
		if *p.path == "" {
			*p.path = p.standard
		}
		if origin == nil {
			continue
		}
		if got, err := origin.Resolve(*p.path); err != nil || got != *p.path || !strings.HasPrefix(got, "/") {
			bad.Field("Config."+p.field, *p.path, "must be a plain path such as "+p.standard)
		}
	}
	for name, standard := range map[*string]string{&c.ReturnToParam: "return_to", &c.ProviderParam: "provider"} {
		if *name == "" {
			*name = standard
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Marks == nil {
		marks, err := callback.NewMemoryMarks(callback.MemoryMarksConfig{})
		if err != nil {
			return nil, err
		}
		c.Marks = marks
	}
	client := limited(c.Client)

	l := &Login[U]{providers: map[string]*provider{}, lines: logsample.NewRefusals()}
	if len(c.Providers) == 0 {
		bad.Hidden("Config.Providers", "needs at least one")
	}
	for i, p := range c.Providers {
		field := fmt.Sprintf("Config.Providers[%d]", i)
		redirect := strings.TrimSuffix(c.BaseURL, "/") + c.CallbackPath
		if len(c.Providers) > 1 {
			redirect += "/" + url.PathEscape(p.ID)
			if p.ID == "" {
				bad.Hidden(field+".ID", "is required with several providers")
			}
		}
		resolved := newProvider(&bad, field, p, redirect, client)
		if l.providers[p.ID] != nil {
			bad.Field(field+".ID", p.ID, "must differ from the other providers' IDs")
		}
		l.providers[p.ID] = resolved
		l.order = append(l.order, resolved)
	}
	err := bad.Err()
	if c.Keys != nil {
		var err2, err3 error
		l.flows, err2 = callback.NewFlows(callback.FlowsConfig{Keys: c.Keys, Name: "login", Lifetime: c.Lifetime, Marks: c.Marks, InsecureHTTP: c.InsecureHTTP})
		if c.Sessions == nil {
			c.Sessions, err3 = callback.NewSessions(callback.SessionsConfig[U]{
				Keys: c.Keys, LoginPath: c.LoginPath, ReturnToParam: c.ReturnToParam, InsecureHTTP: c.InsecureHTTP, Page: c.Page, Logger: c.Logger,
			})
		}
		err = errors.Join(err, err2, err3)
	}
	if err != nil {
		return nil, err
	}
	if c.ReturnTo == nil {
		c.ReturnTo = origin
	}
	l.config = c
	return l, l.reach(ctx)
}

// reach asks every provider for its metadata.
func (l *Login[U]) reach(ctx context.Context) error {
	var all []error
	for _, p := range l.order {
		if _, err := p.discover(ctx); err != nil {
			if l.config.AllowUnreachable {
				l.config.Logger.WarnContext(ctx, "provider cannot be reached", "provider", p.label(), "issuer", p.Issuer, "error", short(err.Error()))
				continue
			}
			all = append(all, fmt.Errorf("callback/oidc: provider %q: %w", p.label(), err))
		}
	}
	return errors.Join(all...)
}

// checkBase returns the ReturnTo of the base URL's origin, or nil after noting what is wrong with it.
func checkBase(bad *invalid.Config, base string, insecureHTTP bool) *callback.ReturnTo {
	origin, err := callback.NewReturnTo(strings.TrimSuffix(base, "/"))
	switch {
	case base == "":
		bad.Hidden("Config.BaseURL", "is required")
	case err != nil:
		bad.Field("Config.BaseURL", base, "must be an origin such as https://app.example.com")
	case !insecureHTTP && !strings.HasPrefix(strings.ToLower(base), "https://"):
		bad.Field("Config.BaseURL", base, "must begin with https:// unless InsecureHTTP is set")
	default:
		return origin
	}
	return nil
}

// Sessions returns the sessions that the login starts.
func (l *Login[U]) Sessions() *callback.Sessions[U] { return l.config.Sessions }
