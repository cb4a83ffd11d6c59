package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
	"github.com/gatehouse-go/gatehouse/internal/scrub"
)

// Callback returns the handler of CallbackPath: it takes the provider's answer, and sends the browser on with 303. With several
// providers, route it to the whole subtree ("GET /auth/callback/").
//
// In this order it checks the query, that this browser began the login and did not finish it, that the answer is for the provider and
// path where it began, and who sent it. Only then it redeems the code, checks the ID token, asks for userinfo and starts a session with
// a new id. A refused login is a page or problem+json that says what to do, never a redirect.
func (l *Login[U]) Callback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visit{}
		if err := l.finish(w, r, &v); err != nil {
			l.refuse(w, r, err, v.again(), v.secrets...)
			return
		}
		seeOther(w, v.flow.Target)
	})
}

// visit is one answer that a browser brings.
type visit struct {
	flow    pending
	secrets []string // what must not reach a log
}

// again returns what a link to begin again keeps.
func (v *visit) again() retry { return retry{v.flow.Provider, v.flow.Target} }

func (l *Login[U]) finish(w http.ResponseWriter, r *http.Request, v *visit) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return callback.ErrMethod
	}
	q, err := query(r.URL.RawQuery, "code", "state", "iss", "error")
	if err != nil {
		return err
	}
	code := q.Get("code")
	v.secrets = append(v.secrets, code, q.Get("state"))
	// So that a refusal keeps them, also where the flow is not known:
	v.flow.Target = l.flows.Target(q.Get("state"))
	v.flow.Provider = path.Base(r.URL.Path)
	if code == "" && q.Get("error") == "" {
		return callback.ErrTicketMissing
	}
	data, err := l.flows.Finish(w, r, q.Get("state"))
	if len(data) > 0 && json.Unmarshal(data, &v.flow) != nil {
		return callback.ErrOtherBrowser // sealed by another version of this package
	}
	if err != nil {
		return err
	}
	p := l.providers[v.flow.Provider]
	if p == nil {
		return ErrProvider // its configuration has changed meanwhile
	}
	if len(l.order) > 1 && !strings.HasSuffix(r.URL.Path, "/"+p.ID) {
		return because(ErrIssuer, errors.New("answer came to another provider's callback path"))
	}
	d, err := p.discover(r.Context())
	if err != nil {
		return because(ErrUnreachable, err)
	}
	if err := checkIssuer(p, d, q); err != nil {
		return err
	}
	if q.Get("error") != "" {
		return denied(q.Get("error"))
	}
	id, err := p.redeem(r.Context(), d, code, v)
	if err != nil {
		return err
	}
	user, err := l.config.User(r.Context(), id)
	if err != nil {
		return err
	}
	return l.config.Sessions.Start(w, r, user, links(id)...)
}

// checkIssuer compares the parameter iss (RFC 9207, section 2.4). It is required only where the provider says that it sends one: most do not.
func checkIssuer(p *provider, d *discovered, q url.Values) error {
	if !q.Has("iss") {
		if d.Issues {
			return because(ErrIssuer, errors.New("parameter iss is missing"))
		}
		return nil
	}
	if p.Issuer != "" && q.Get("iss") != p.Issuer {
		return because(ErrIssuer, errors.New("parameter iss names another issuer"))
	}
	return nil
}

// denied returns the reason for an error that the provider reports (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6).
func denied(code string) error {
	cause := fmt.Errorf("provider reports %s", errorCode(code))
	switch code {
	case "server_error", "temporarily_unavailable":
		return because(ErrUnreachable, cause)
	case "login_required", "interaction_required", "account_selection_required", "consent_required":
		return because(ErrInteraction, cause)
	}
	return because(callback.ErrDenied, cause)
}

// redeem exchanges the code, and returns the identity behind it once every check has passed.
func (p *provider) redeem(ctx context.Context, d *discovered, code string, v *visit) (Identity, error) {
	config, auth, err := p.oauth(d)
	if err != nil {
		return Identity{}, err
	}
	client := gooidc.ClientContext(ctx, p.quiet)
	token, err := config.Exchange(client, code, append(options(auth), oauth2.VerifierOption(v.flow.Verifier))...)
	if err != nil {
		err = plainError(err)
		if refusedGrant(err) {
			return Identity{}, because(ErrCode, err)
		}
		return Identity{}, because(ErrUnreachable, err)
	}
	raw, _ := token.Extra("id_token").(string)
	v.secrets = append(v.secrets, token.AccessToken, token.RefreshToken, raw)
	if p.OAuth2 != nil {
		return p.identify(ctx, token)
	}
	id, err := p.verify(ctx, d, raw, token.AccessToken)
	if err != nil {
		return Identity{}, err
	}
	if err := id.matches(v.flow); err != nil {
		return Identity{}, err
	}
	id.Tokens = p.tokens(id.Subject, token, raw)
	if p.UserInfo && d.UserInfo != "" {
		info, err := d.oidc.UserInfo(client, oauth2.StaticTokenSource(token))
		if err != nil {
			return Identity{}, because(ErrUnreachable, fmt.Errorf("userinfo: %w", err))
		}
		if info.Subject != id.Subject {
			return Identity{}, ErrUserInfo
		}
		if err := info.Claims(&id.UserInfo); err != nil {
			return Identity{}, because(ErrUserInfo, err)
		}
	}
	return id.Identity, nil
}

// identify asks a provider without ID tokens who the person is.
func (p *provider) identify(ctx context.Context, token *oauth2.Token) (Identity, error) {
	client := *p.client
	client.Transport = &oauth2.Transport{Source: oauth2.StaticTokenSource(token), Base: p.client.Transport}
	id, err := p.OAuth2.Identify(ctx, &client)
	if _, ok := errors.AsType[*callback.Reason](err); ok {
		return Identity{}, err
	}
	if err != nil {
		return Identity{}, because(ErrUnreachable, err)
	}
	if id.Subject == "" {
		return Identity{}, because(ErrUserInfo, errors.New("there is no subject"))
	}
	id.Provider, id.Issuer = p.ID, p.Issuer
	if id.Issuer == "" {
		id.Issuer = p.OAuth2.AuthURL
	}
	id.Tokens = p.tokens(id.Subject, token, "")
	return id, nil
}

// retry is what a link to begin again keeps, where it is known.
type retry struct{ provider, target string }

// refuse logs why a request is refused, and answers it.
func (l *Login[U]) refuse(w http.ResponseWriter, r *http.Request, err error, again retry, secrets ...string) {
	l.lines.Log(r.Context(), l.config.Logger, "login refused", refusal.Status(err), short(scrub.Text(err.Error(), secrets...)))
	if l.config.OnError != nil {
		l.config.OnError(w, r, err)
		return
	}
	callback.Refuse(w, r, err, l.loginLink(again.provider, again.target), l.config.Page)
}

// short returns what of a text is worth a line of a log: some errors repeat what a provider sent.
func short(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// clockSkew is how far the provider's clock may be off.
const clockSkew = 2 * time.Minute
