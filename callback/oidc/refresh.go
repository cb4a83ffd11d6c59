package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	refreshEarly = 30 * time.Second // before the access token expires
	refreshKept  = time.Minute      // how long a late caller with the old refresh token gets the new tokens
)

// Refresh returns tokens whose access token is good for another 30 seconds: t itself where it is, else new ones from the
// provider. Keep what it returns, with [callback.Sessions.Update] say: most providers take each refresh token once.
//
// Callers that refresh the same tokens at once share one call, and those that come within a minute with the old ones get the same
// answer, so that parallel requests of one page do not look like a stolen token. The error is [ErrNoRefresh] when the person has to
// sign in again, or [ErrUnreachable].
func (l *Login[U]) Refresh(ctx context.Context, t Tokens) (Tokens, error) {
	if !t.Expires.IsZero() && time.Until(t.Expires) > refreshEarly {
		return t, nil
	}
	p := l.providers[t.Provider]
	if p == nil || t.Refresh == "" {
		return Tokens{}, ErrNoRefresh
	}
	return l.refreshes.do(ctx, p.ID+" "+t.Refresh, func() (Tokens, error) {
		// Whoever is first asks for all: the call must not end with one caller's request. The client has its timeout.
		return p.refresh(context.WithoutCancel(ctx), t)
	})
}

func (p *provider) refresh(ctx context.Context, t Tokens) (Tokens, error) {
	d, err := p.discover(ctx)
	if err != nil {
		return Tokens{}, because(ErrUnreachable, err)
	}
	config, auth, err := p.oauth(d)
	if err != nil {
		return Tokens{}, err
	}
	var answer struct {
		Access  string      `json:"access_token"`
		Refresh string      `json:"refresh_token"`
		ID      string      `json:"id_token"`
		Expires json.Number `json:"expires_in"`
	}
	params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}}
	if err := p.post(ctx, d.endpoint.TokenURL, config, auth, params, &answer); err != nil {
		if refusedGrant(err) {
			return Tokens{}, because(ErrNoRefresh, err)
		}
		return Tokens{}, because(ErrUnreachable, err)
	}
	if answer.Access == "" {
		return Tokens{}, because(ErrUnreachable, errors.New("answer has no access_token"))
	}
	if answer.ID != "" && p.OAuth2 == nil { // OpenID Connect Core 1.0, section 12.2
		id, err := p.verify(ctx, d, answer.ID, answer.Access)
		if err != nil {
			return Tokens{}, err
		}
		if id.Subject != t.Subject {
			return Tokens{}, because(ErrIDToken, errors.New("sub is somebody else"))
		}
	}
	fresh := Tokens{Provider: t.Provider, Subject: t.Subject, Access: answer.Access, Refresh: cmp.Or(answer.Refresh, t.Refresh), ID: cmp.Or(answer.ID, t.ID)}
	if seconds, err := strconv.ParseInt(answer.Expires.String(), 10, 32); err == nil && seconds > 0 {
		fresh.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	return fresh, nil
}

// refreshes lets callers with the same refresh token share one call and its answer. The zero value is ready.
type refreshes struct {
	mu    sync.Mutex
	calls map[string]*refreshCall
}

type refreshCall struct {
	done    chan struct{}
	expires time.Time // set once done
	tokens  Tokens
	err     error
}

func (f *refreshes) do(ctx context.Context, key string, fn func() (Tokens, error)) (Tokens, error) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[string]*refreshCall{}
	}
	now := time.Now()
	for k, c := range f.calls {
		if !c.expires.IsZero() && !now.Before(c.expires) {
			delete(f.calls, k)
		}
	}
	c := f.calls[key]
	if c == nil {
		c = &refreshCall{done: make(chan struct{})}
		f.calls[key] = c
		go func() { // ends with the call, which the client's timeout bounds
			tokens, err := fn()
			f.mu.Lock()
			defer f.mu.Unlock()
			c.tokens, c.err = tokens, err
			c.expires = time.Now().Add(refreshKept)
			if err != nil {
				delete(f.calls, key) // the next one tries again
			}
			close(c.done)
		}()
	}
	f.mu.Unlock()
	select {
	case <-c.done:
		return c.tokens, c.err
	case <-ctx.Done():
		return Tokens{}, ctx.Err()
	}
}
