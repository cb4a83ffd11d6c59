package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// post sends a form to an endpoint of the provider, authenticated as at the token endpoint, and decodes the answer.
func (p *provider) post(ctx context.Context, endpoint string, config *oauth2.Config, auth, params url.Values, answer any) error {
	form := maps.Clone(params)
	maps.Copy(form, auth)
	form.Set("client_id", p.ClientID)
	basic := config.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !basic && config.ClientSecret != "" {
		form.Set("client_secret", config.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if basic {
		r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(config.ClientSecret)) // RFC 6749, section 2.3.1
	}
	res, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // nothing is written through it
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var failure struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &failure)                                       // what cannot be read stays empty
	if res.StatusCode < 200 || res.StatusCode > 299 || failure.Error != "" { // some answer 200 with an error
		return &callError{res.StatusCode, failure.Error}
	}
	return json.Unmarshal(body, answer)
}

// callError is a refusal of one of the provider's endpoints. It leaves out what else the answer said, which might repeat a token.
type callError struct {
	status int
	code   string // the provider's "error", as RFC 6749, section 5.2, defines it
}

func (e *callError) Error() string {
	return fmt.Sprintf("provider answered %d %s", e.status, errorCode(e.code))
}

// errorCode returns code if it looks like one.
func errorCode(code string) string {
	if len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/") != "" {
		return "(unreadable error code)"
	}
	return code
}

// plainError takes what an answer said out of an error of x/oauth2.
func plainError(err error) error {
	if failure, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return &callError{failure.Response.StatusCode, failure.ErrorCode}
	}
	return err
}

// refusedGrant reports whether the provider refused the code or refresh token itself.
func refusedGrant(err error) bool {
	failure, ok := errors.AsType[*callError](err)
	return ok && (failure.code == "invalid_grant" || failure.code == "bad_refresh_token" || failure.code == "bad_verification_code") // the last two are GitHub's
}

// because returns a reason with its cause, for the log.
func because(reason, cause error) error { return fmt.Errorf("%w: %w", reason, cause) }
