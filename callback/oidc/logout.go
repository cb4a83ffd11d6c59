package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/reqbody"
)

const (
	logoutsKept    = 15 * time.Minute // how long a logout token is remembered as used
	logoutsHeld    = 65536
	maxLogoutToken = 32 << 10 // bytes of a form
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
			l.refuse(w, r, callback.ErrMethod, "")
			return
		}
		if new(http.CrossOriginProtection).Check(r) != nil {
			l.refuse(w, r, callback.ErrCrossSite, "")
			return
		}
		user, err := l.config.Sessions.Session(r)
		signedIn := err == nil
		if err := l.config.Sessions.End(w, r); err != nil {
			l.refuse(w, r, err, "")
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
			l.refuse(w, r, err, "")
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
	p := l.byIssuer(unverifiedIssuer(raw))
	if p == nil {
		return because(ErrLogoutToken, errors.New("iss is no provider's"))
	}
	d, err := p.discover(r.Context())
	if err != nil {
		return because(ErrUnreachable, err)
	}
	token, err := d.logouts.VerifyLogout(gooidc.ClientContext(r.Context(), p.client), raw)
	if err != nil {
		return because(ErrLogoutToken, err)
	}
	now := time.Now()
	if token.IssuedAt.IsZero() || token.IssuedAt.After(now.Add(clockSkew)) || token.IssuedAt.Before(now.Add(-logoutsKept)) {
		return because(ErrLogoutToken, errors.New("iat is missing, in the future or long ago"))
	}
	if !l.logouts.Take(p.ID + " " + token.TokenID) {
		return because(ErrLogoutToken, errors.New("jti was used before"))
	}
	link := subjectLink(p.Issuer, token.Subject)
	if token.SessionID != "" {
		link = sessionLink(p.Issuer, token.SessionID)
	}
	if err := l.revoke(r, link); err != nil {
		l.logouts.Release(p.ID + " " + token.TokenID) // the provider may try again
		return err
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
			l.refuse(w, r, err, "")
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

func (l *Login[U]) byIssuer(issuer string) *provider {
	for _, p := range l.order {
		if issuer != "" && p.Issuer == issuer && p.OAuth2 == nil {
			return p
		}
	}
	return nil
}

// unverifiedIssuer reads which provider a token claims to be from. It only chooses whose keys to check the token with.
func unverifiedIssuer(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Issuer
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
