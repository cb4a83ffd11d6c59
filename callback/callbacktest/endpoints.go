package callbacktest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const elsewhere = "https://elsewhere.example"

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // the client is gone if this fails
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func (p *Provider) metadata(w http.ResponseWriter, _ *http.Request) {
	issuer := p.Issuer
	if p.faults.MetadataIssuer != "" {
		issuer = p.faults.MetadataIssuer
	}
	m := map[string]any{
		"issuer": issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/jwks",
		"userinfo_endpoint": p.Issuer + "/userinfo", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
	}
	if !p.faults.NoResponseIssuer {
		m["authorization_response_iss_parameter_supported"] = true
	}
	if !p.faults.NoPushed {
		m["pushed_authorization_request_endpoint"] = p.Issuer + "/par"
	}
	if !p.faults.NoEndSession {
		m["end_session_endpoint"] = p.Issuer + "/logout"
	}
	answer(w, http.StatusOK, m)
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, p.keySet()) }

// push takes a pushed authorization request (RFC 9126).
func (p *Provider) push(w http.ResponseWriter, r *http.Request) {
	if p.faults.PushedFails {
		refuse(w, http.StatusInternalServerError, "server_error", "")
		return
	}
	if err := p.authenticate(r); err != nil {
		refuse(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	uri := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	p.pushed[uri] = r.PostForm
	answer(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
}

// authorize signs the person in without asking, and sends the browser back.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if uri := q.Get("request_uri"); uri != "" {
		pushed := p.pushed[uri]
		delete(p.pushed, uri)
		if pushed == nil || q.Get("client_id") != pushed.Get("client_id") {
			refuse(w, http.StatusBadRequest, "invalid_request_uri", "")
			return
		}
		q = pushed
	}
	p.requests = append(p.requests, q)
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case err != nil || !back.IsAbs():
		refuse(w, http.StatusBadRequest, "invalid_request", "redirect_uri")
	case q.Get("client_id") != p.ClientID:
		refuse(w, http.StatusBadRequest, "unauthorized_client", "client_id")
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		refuse(w, http.StatusBadRequest, "invalid_request", "response_type or code_challenge")
	default:
		g := &grant{subject: p.subject, session: rand.Text(), request: q, begun: time.Now().Unix()}
		p.lastSession = g.session
		back.RawQuery = p.response(g, back.Query()).Encode()
		w.Header().Set("Location", back.String())
		w.WriteHeader(http.StatusSeeOther)
	}
}

// response returns the parameters of the authorization response for g, and issues its code.
func (p *Provider) response(g *grant, v url.Values) url.Values {
	f := p.faults
	switch {
	case f.StateMissing:
	case f.StateWrong:
		v.Set("state", rand.Text()[:22])
	case f.StateTwice:
		v["state"] = []string{g.request.Get("state"), g.request.Get("state")}
	default:
		v.Set("state", g.request.Get("state"))
	}
	switch {
	case f.NoResponseIssuer, f.ResponseIssuerMissing:
	case f.ResponseIssuerWrong:
		v.Set("iss", elsewhere)
	default:
		v.Set("iss", p.Issuer)
	}
	if f.Error != "" {
		v.Set("error", f.Error)
		return v
	}
	if f.ErrorWithCode != "" {
		v.Set("error", f.ErrorWithCode)
	}
	code := rand.Text()
	p.codes[code] = g
	v.Set("code", code)
	return v
}

// token redeems codes and refresh tokens.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := p.authenticate(r); err != nil {
		refuse(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	if p.faults.TokenFails {
		refuse(w, http.StatusInternalServerError, "server_error", r.PostForm.Encode())
		return
	}
	var g *grant
	var err error
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g, err = p.redeem(r.PostForm)
	case "refresh_token":
		g, err = p.rotate(r.PostForm.Get("refresh_token"))
	default:
		err = errors.New("grant_type")
	}
	if err != nil || p.faults.CodeRefused {
		refuse(w, http.StatusBadRequest, "invalid_grant", "refused")
		return
	}
	access, refresh := rand.Text(), rand.Text()
	p.access[access], p.refresh[refresh] = g, g
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh}
	refreshing := r.PostForm.Get("grant_type") == "refresh_token"
	if !p.faults.IDTokenMissing && (!refreshing || !p.faults.RefreshNoIDToken) {
		id, err := p.idToken(g, access, refreshing)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "server_error", "")
			return
		}
		out["id_token"] = id
	}
	answer(w, http.StatusOK, out)
}

var errGrant = errors.New("grant is not valid")

func (p *Provider) redeem(form url.Values) (*grant, error) {
	code := form.Get("code")
	g := p.codes[code]
	if g == nil {
		if g = p.spentCodes[code]; g != nil { // used twice: what it gave is taken back (RFC 6749, section 4.1.2)
			p.revoked[g] = true
		}
		return nil, errGrant
	}
	delete(p.codes, code)
	p.spentCodes[code] = g
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != g.request.Get("code_challenge") || form.Get("redirect_uri") != g.request.Get("redirect_uri") {
		return nil, errGrant
	}
	return g, nil
}

// rotate takes each refresh token once; a second use ends the whole grant (RFC 9700, section 4.14.2).
func (p *Provider) rotate(token string) (*grant, error) {
	g := p.refresh[token]
	if g == nil || p.revoked[g] {
		return nil, errGrant
	}
	if p.spentRefresh[token] {
		p.revoked[g] = true
		return nil, errGrant
	}
	p.spentRefresh[token] = true
	return g, nil
}

// authenticate checks the client's credentials.
func (p *Provider) authenticate(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	form := r.PostForm
	if p.config.ClientKey != nil {
		jws, err := jose.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.EdDSA})
		if err != nil {
			return err
		}
		payload, err := jws.Verify(p.config.ClientKey)
		if err != nil {
			return err
		}
		var claims struct {
			Issuer   string `json:"iss"`
			Subject  string `json:"sub"`
			Audience string `json:"aud"`
			ID       string `json:"jti"`
			Expires  int64  `json:"exp"`
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			return err
		}
		if claims.Issuer != p.ClientID || claims.Subject != p.ClientID || claims.Audience != p.Issuer || claims.ID == "" || claims.Expires < time.Now().Unix() {
			return errors.New("assertion does not fit")
		}
		return nil
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if id != p.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(p.ClientSecret)) != 1 {
		return errors.New("client_id or client_secret")
	}
	return nil
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	g := p.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if g == nil || p.revoked[g] || p.faults.UserInfoFails {
		refuse(w, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	claims := maps.Clone(p.claims)
	if claims == nil {
		claims = map[string]any{}
	}
	claims["sub"] = g.subject
	claims["userinfo"] = true
	if p.faults.UserInfoOther {
		claims["sub"] = "somebody else"
	}
	answer(w, http.StatusOK, claims)
}

// endSession is RP-Initiated Logout 1.0.
func (p *Provider) endSession(w http.ResponseWriter, r *http.Request) {
	back := r.URL.Query().Get("post_logout_redirect_uri")
	if back == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", back)
	w.WriteHeader(http.StatusSeeOther)
}
