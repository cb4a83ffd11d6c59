package oidc

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/gatehouse/callback"
)

// pending is what a login under way remembers, sealed in its flow.
type pending struct {
	Provider string `json:"p"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // PKCE
	Target   string `json:"t"`
	Begun    int64  `json:"b"`           // Unix seconds
	MaxAge   *int64 `json:"m,omitempty"` // seconds
}

// encode returns the flow as JSON, in which the signs of a query stay as short as they are.
func (f pending) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(f) //nolint:errchkjson // strings and numbers always encode
	return b.Bytes()
}

// Start returns the handler of LoginPath: it sends the browser to the provider. The parameter ReturnToParam says where to go
// afterwards, and ProviderParam which provider where there are several; without it, a browser gets a page on which the person chooses.
//
// Each login is a flow of its own ([callback.Flows]), so that several tabs can sign in at once. State, nonce and PKCE verifier are
// random; nothing in the request can choose them.
func (l *Login[U]) Start() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := l.start(w, r)
		if errors.Is(err, errAnswered) {
			return
		}
		if err != nil {
			l.refuse(w, r, err, l.wanted(r))
			return
		}
		seeOther(w, target)
	})
}

// start returns the URL to send the browser to.
func (l *Login[U]) start(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return "", callback.ErrMethod
	}
	q, err := query(r.URL.RawQuery, l.config.ReturnToParam, l.config.ProviderParam)
	if err != nil {
		return "", err
	}
	flow := pending{Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Target: l.config.Home, Begun: time.Now().Unix()}
	if named := q.Get(l.config.ReturnToParam); named != "" {
		if flow.Target, err = l.config.ReturnTo.Resolve(named); err != nil {
			return "", err
		}
	}
	p := l.providers[q.Get(l.config.ProviderParam)]
	if !q.Has(l.config.ProviderParam) {
		if len(l.order) > 1 && callback.WantsPage(r) {
			return "", l.choose(w, r, flow.Target)
		}
		if len(l.order) == 1 {
			p = l.order[0]
		}
	}
	if p == nil {
		return "", ErrProvider
	}
	flow.Provider = p.ID
	var ask Authorization
	if l.config.Authorize != nil {
		ask = l.config.Authorize(r)
	}
	if ask.MaxAge != nil {
		seconds := int64(*ask.MaxAge / time.Second)
		flow.MaxAge = &seconds
	}
	d, err := p.discover(r.Context())
	if err != nil {
		return "", because(ErrUnreachable, err)
	}
	carried := flow.Target
	if carried == l.config.Home { // which is where a link without target leads
		carried = ""
	}
	state, err := l.flows.BeginFor(w, r, flow.encode(), carried)
	if err != nil {
		return "", err
	}
	config, auth, err := p.oauth(d)
	if err != nil {
		return "", err
	}
	params := ask.params()
	if p.OAuth2 == nil {
		params.Set("nonce", flow.Nonce)
	}
	target := config.AuthCodeURL(state, append(options(params), oauth2.S256ChallengeOption(flow.Verifier))...)
	if d.PAR == "" || p.DisablePAR {
		return target, nil
	}
	return p.push(r, d, config, auth, target)
}

// wanted returns what a link to begin again after r keeps.
func (l *Login[U]) wanted(r *http.Request) retry {
	q := r.URL.Query()
	target, err := l.config.ReturnTo.Resolve(q.Get(l.config.ReturnToParam))
	if err != nil {
		target = ""
	}
	return retry{q.Get(l.config.ProviderParam), target}
}

// errAnswered says that the answer is written.
var errAnswered = errors.New("answered")

// choose answers with a page on which the person chooses a provider, and returns errAnswered.
func (l *Login[U]) choose(w http.ResponseWriter, r *http.Request, target string) error {
	page := callback.Page{Status: http.StatusOK, Title: "Choose how to sign in"}
	for _, p := range l.order {
		page.Choices = append(page.Choices, callback.Choice{Link: l.loginLink(p.ID, target), Text: cmp.Or(p.Name, p.ID)})
	}
	w.Header().Add("Vary", "Accept, Sec-Fetch-Mode")
	if err := page.Write(w, r, l.config.Page); err != nil {
		return err
	}
	return errAnswered
}

// loginLink returns the link to begin a login that keeps what is known.
func (l *Login[U]) loginLink(provider, target string) string {
	q := url.Values{}
	if target != "" && target != l.config.Home {
		q.Set(l.config.ReturnToParam, target)
	}
	if len(l.order) > 1 && l.providers[provider] != nil {
		q.Set(l.config.ProviderParam, provider)
	}
	if len(q) == 0 {
		return l.config.LoginPath
	}
	return withQuery(l.config.LoginPath, q)
}

// params returns the parameters of the authorization request (OpenID Connect Core 1.0, section 3.1.2.1).
func (a Authorization) params() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"prompt": a.Prompt, "login_hint": a.LoginHint, "acr_values": strings.Join(a.ACRValues, " "), "ui_locales": strings.Join(a.UILocales, " "),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if a.MaxAge != nil {
		v.Set("max_age", strconv.FormatInt(int64(*a.MaxAge/time.Second), 10))
	}
	return v
}

// push sends the parameters of the authorization request to the provider directly, and returns the URL that refers to them (RFC 9126).
func (p *provider) push(r *http.Request, d *discovered, config *oauth2.Config, auth url.Values, target string) (string, error) {
	_, raw, _ := strings.Cut(target, "?")
	params, err := url.ParseQuery(raw)
	if err != nil {
		return "", err
	}
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	if err := p.post(r.Context(), d.PAR, config, auth, params, &answer); err != nil {
		return "", because(ErrUnreachable, fmt.Errorf("pushed authorization request: %w", err))
	}
	if answer.RequestURI == "" {
		return "", because(ErrUnreachable, errors.New("pushed authorization request: no request_uri"))
	}
	return withQuery(config.Endpoint.AuthURL, url.Values{"client_id": {p.ClientID}, "request_uri": {answer.RequestURI}}), nil
}

// withQuery adds parameters to a URL, which may have some already.
func withQuery(endpoint string, q url.Values) string {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + q.Encode()
}

// query parses a query in which each of the named parameters stands at most once.
func query(raw string, names ...string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, callback.ErrQuery
	}
	for _, name := range names {
		if len(q[name]) > 1 {
			return nil, callback.ErrQuery
		}
	}
	return q, nil
}

// seeOther answers 303; [http.Redirect] would clean the path of target once more.
func seeOther(w http.ResponseWriter, target string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h["Location"] = []string{target}
	w.WriteHeader(http.StatusSeeOther)
}
