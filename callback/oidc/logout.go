package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

const (
	logoutAge      = 15 * time.Minute // of the oldest logout token that is taken
	maxLogoutToken = 32 << 10         // bytes of a form
	formTimeout    = 10 * time.Second
)

// LogoutHint is what of a session the provider needs to end its own.
type LogoutHint struct {
	Provider string // ID of the [Provider]
	IDToken  string // [Tokens].ID; it may be expired
}

// Logout returns the handler of POST /logout: it ends the session here, and sends the browser on to the provider to end its session
// there (RP-Initiated Logout 1.0), which sends it back to AfterLogout. Where the provider offers no such thing, the browser goes to
// AfterLogout at once. A request from another site is refused with 403: nobody signs a person out but themselves.
func (l *Login[U]) Logout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			l.refuse(w, r, callback.ErrMethod, retry{})
			return
		}
		if new(http.CrossOriginProtection).Check(r) != nil {
			l.refuse(w, r, callback.ErrCrossSite, retry{})
			return
		}
		user, err := l.config.Sessions.Session(r)
		signedIn := err == nil
		if err := l.config.Sessions.End(w, r); err != nil {
			l.refuse(w, r, err, retry{})
			return
		}
		target := l.config.AfterLogout
		if signedIn {
			target = l.endSession(r, user)
		}
		seeOther(w, target)
	})
}

// endSession returns the URL at which user's provider ends its session, or AfterLogout.
func (l *Login[U]) endSession(r *http.Request, user U) string {
	var hint LogoutHint
	if l.config.LogoutHint != nil {
		hint = l.config.LogoutHint(user)
	}
	p := l.providers[hint.Provider]
	if p == nil && len(l.order) == 1 {
		p = l.order[0]
	}
	if p == nil {
		return l.config.AfterLogout
	}
	d, err := p.discover(r.Context())
	if err != nil || d.EndSession == "" {
		return l.config.AfterLogout
	}
	q := url.Values{"client_id": {p.ClientID}, "post_logout_redirect_uri": {strings.TrimSuffix(l.config.BaseURL, "/") + l.config.AfterLogout}}
	if hint.IDToken != "" {
		q.Set("id_token_hint", hint.IDToken)
	}
	return withQuery(d.EndSession, q)
}

// BackChannel returns the handler to which a provider POSTs a logout token (Back-Channel Logout 1.0): it ends the sessions that
// came from the provider's session, or all sessions of the subject where none is named. It needs sessions with a Store, else it answers 501.
// It SHOULD stand behind a rate limit.
func (l *Login[U]) BackChannel() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.backChannel(w, r); err != nil {
			l.refuse(w, r, err, retry{})
			return
		}
		w.Header().Set("Cache-Control", "no-store") // section 2.8
		w.WriteHeader(http.StatusOK)
	})
}

func (l *Login[U]) backChannel(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return callback.ErrMethod
	}
	body, err := reqbody.Read(w, r, reqbody.Limits{Max: maxLogoutToken, Timeout: formTimeout})
	if err != nil {
		return err
	}
	form, err := query(string(body), "logout_token")
	if err != nil {
		return ErrLogoutToken
	}
	raw := form.Get("logout_token")
	p, token, err := l.logoutToken(r.Context(), raw)
	if err != nil {
		return err
	}
	now := time.Now()
	if token.IssuedAt.IsZero() || token.IssuedAt.After(now.Add(clockSkew)) || token.IssuedAt.Before(now.Add(-logoutAge)) {
		return because(ErrLogoutToken, errors.New("iat is missing, in the future or long ago"))
	}
	mark := "logout " + p.Issuer + " " + p.ClientID + " " + token.TokenID
	first, err := l.config.Marks.Spend(r.Context(), mark, logoutAge+2*clockSkew) // for as long as its iat passes
	if err != nil {
		return because(callback.ErrStore, err)
	}
	if !first {
		return because(ErrLogoutToken, errors.New("jti was used before"))
	}
	link := subjectLink(p.Issuer, token.Subject)
	if token.SessionID != "" {
		link = sessionLink(p.Issuer, token.SessionID)
	}
	if err := l.revoke(r, link); err != nil {
		return errors.Join(err, l.config.Marks.Release(context.WithoutCancel(r.Context()), mark)) // the provider may try again
	}
	return nil
}

// FrontChannel returns the handler that a provider loads in a frame with GET (Front-Channel Logout 1.0): it ends the sessions that came from
// the provider's session named by iss and sid, both of which the provider must be registered to send. It needs sessions with a Store,
// since no cookie reaches a frame on another site; without it answers 501.
func (l *Login[U]) FrontChannel() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := l.frontChannel(w, r)
		if err != nil {
			l.refuse(w, r, err, retry{})
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors "+originOf(p.Issuer))
		w.WriteHeader(http.StatusOK)
	})
}

func (l *Login[U]) frontChannel(w http.ResponseWriter, r *http.Request) (*provider, error) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return nil, callback.ErrMethod
	}
	q, err := query(r.URL.RawQuery, "iss", "sid")
	if err != nil {
		return nil, err
	}
	p := l.byIssuer(q.Get("iss"))
	if p == nil || q.Get("sid") == "" {
		return nil, because(ErrLogoutToken, errors.New("iss or sid is missing or unknown"))
	}
	return p, l.revoke(r, sessionLink(p.Issuer, q.Get("sid")))
}

func (l *Login[U]) revoke(r *http.Request, link string) error {
	_, err := l.config.Sessions.RevokeLinked(r.Context(), link)
	if errors.Is(err, callback.ErrNoStore) {
		return ErrLogoutStore
	}
	return err
}

// byIssuer returns the provider with that issuer; of several, one whose client is in the audience.
func (l *Login[U]) byIssuer(issuer string, audience ...string) (found *provider) {
	for _, p := range l.order {
		if issuer == "" || p.Issuer != issuer || p.OAuth2 != nil {
			continue
		}
		if slices.Contains(audience, p.ClientID) {
			return p
		}
		if found == nil {
			found = p
		}
	}
	return found
}

// logoutToken verifies a logout token (Back-Channel Logout 1.0, section 2.6), and returns the provider it is from.
func (l *Login[U]) logoutToken(ctx context.Context, raw string) (*provider, *gooidc.LogoutToken, error) {
	says, err := unverified(raw)
	if err != nil {
		return nil, nil, because(ErrLogoutToken, err)
	}
	p := l.byIssuer(says.Issuer, says.Audience...)
	if p == nil {
		return nil, nil, because(ErrLogoutToken, errors.New("iss is no provider's"))
	}
	d, err := p.discover(ctx)
	if err != nil {
		return nil, nil, because(ErrUnreachable, err)
	}
	token, err := d.logouts.VerifyLogout(gooidc.ClientContext(ctx, p.quiet), raw)
	if err != nil {
		return nil, nil, because(ErrLogoutToken, err)
	}
	var claims struct {
		Events map[string]map[string]any `json:"events"`
	}
	if err := token.Claims(&claims); err != nil || claims.Events["http://schemas.openid.net/event/backchannel-logout"] == nil {
		return nil, nil, because(ErrLogoutToken, errors.New("the event is not an object"))
	}
	return p, token, nil
}

// claimed is what a token says of itself before it is verified. It only chooses whose keys to verify it with.
type claimed struct {
	Issuer   string   `json:"iss"`
	Audience textList `json:"aud"`
}

// unverified reads a token, and refuses one that is typed as another kind: a provider that types its tokens at all must not have
// them mixed up (RFC 8725, section 3.11). Many logout tokens have no type, or "JWT".
func unverified(raw string) (c claimed, err error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return c, errors.New("it is no JWT")
	}
	var header struct {
		Type string `json:"typ"`
	}
	for i, v := range []any{&header, &c} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return c, errors.New("it is no JWT")
		}
		if err := json.Unmarshal(text, v); err != nil {
			return c, errors.New("it is no JWT")
		}
	}
	switch strings.TrimPrefix(strings.ToLower(header.Type), "application/") {
	case "", "jwt", "logout+jwt":
		return c, nil
	}
	return c, errors.New("typ is another kind of token")
}

// links are the names by which a provider can end the session of id.
func links(id Identity) []string {
	out := []string{subjectLink(id.Issuer, id.Subject)}
	if id.SessionID != "" {
		out = append(out, sessionLink(id.Issuer, id.SessionID))
	}
	return out
}

func subjectLink(issuer, subject string) string { return "oidc-sub:" + issuer + " " + subject }
func sessionLink(issuer, sid string) string     { return "oidc-sid:" + issuer + " " + sid }

func originOf(issuer string) string {
	u, _ := url.Parse(issuer) // New has parsed it
	return u.Scheme + "://" + u.Host
}
