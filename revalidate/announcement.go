package revalidate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	defaultAnnounceWait = time.Second
	// announceTimeout bounds what is announced for an unsafe request: nobody waits for it so long, and nobody else would end it.
	announceTimeout = 10 * time.Second
	// maxAnnouncing bounds the announcements under way for unsafe requests, which clients make as many of as they like.
	maxAnnouncing = 64
	// maxURLLength bounds a URL that is announced; a server should take one of 8000 bytes (RFC 9110, section 4.1).
	maxURLLength = 8 << 10
)

// Reasons for which an unsafe request is not announced.
var (
	errCrowded  = errors.New("revalidate: too many announcements are under way")
	errPanicked = errors.New("revalidate: OnInvalidate panicked")
)

// announce tells Config.OnInvalidate of inv.
func (c *Cache) announce(ctx context.Context, inv Invalidation) error {
	if c.onInvalidate == nil {
		return nil
	}
	err := c.onInvalidate(ctx, inv)
	if err != nil {
		c.counters.announceErrors.Add(1)
	}
	return err
}

// pageOf reads one of an invalidation's URLs.
func pageOf(text string) (*http.Request, error) {
	if len(text) > maxURLLength {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrURL, len(text))
	}
	if u, err := url.Parse(text); err == nil && (u.User != nil || u.Fragment != "") {
		return nil, fmt.Errorf("%w: it has a user or a fragment", ErrURL)
	}
	return requestFor(text)
}

// urlOf is the inverse of pageOf. It fails for what a URL cannot say, such as a path that lost its slash in a handler before the cache.
func (c *Cache) urlOf(page *http.Request) (string, error) {
	scheme := "http"
	if page.TLS != nil {
		scheme = "https"
	}
	u := url.URL{
		Scheme: scheme, Host: page.Host, Path: page.URL.Path, RawPath: page.URL.RawPath,
		RawQuery: page.URL.RawQuery, ForceQuery: page.URL.ForceQuery,
	}
	text := u.String()
	same, err := pageOf(text)
	if err != nil {
		return "", err
	}
	if c.responses.primaryKey(same) != c.responses.primaryKey(page) {
		return "", fmt.Errorf("%w: it does not name the response", ErrURL)
	}
	return text, nil
}

// announceUnsafe tells Config.OnInvalidate what an unsafe request has invalidated, and waits for Config.AnnounceWait at most; not at all where
// the store has just failed (up is false), for whose time the request has waited already.
func (c *Cache) announceUnsafe(ctx context.Context, pages []*http.Request, groups []Group, up bool) {
	all := []Invalidation{{Mode: ModeExpire}}
	for _, page := range pages {
		text, err := c.urlOf(page)
		switch {
		case err != nil:
			c.notAnnounced(ctx, err)
		case !slices.Contains(all[0].URLs, text):
			all[0].URLs = append(all[0].URLs, text)
		}
	}
	for part := range slices.Chunk(groups, maxNames/2) {
		if last := &all[len(all)-1]; last.names()+len(part) <= maxNames {
			last.Groups = append(last.Groups, part...)
		} else {
			all = append(all, Invalidation{Mode: ModeExpire, Groups: part})
		}
	}
	all = slices.DeleteFunc(all, func(inv Invalidation) bool {
		err := inv.Check()
		if err != nil && !inv.empty() {
			c.notAnnounced(ctx, err)
		}
		return err != nil
	})
	if len(all) == 0 {
		return
	}
	if !c.begin() {
		c.notAnnounced(ctx, ErrClosed)
		return
	}
	wait := c.announceWait
	if !up {
		wait = 0
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	select {
	case c.announcing <- struct{}{}:
	default:
		select {
		case c.announcing <- struct{}{}:
		case <-patience.C:
			c.work.Done()
			c.notAnnounced(ctx, errCrowded)
			return
		}
	}
	told := make(chan struct{})
	go func() {
		defer c.work.Done()
		defer func() { <-c.announcing }()
		defer close(told)
		ctx, cancel := context.WithTimeout(ctx, announceTimeout)
		defer cancel()
		for _, inv := range all {
			if err := c.announceSafely(ctx, inv); err != nil {
				c.notAnnounced(ctx, err)
			}
		}
	}()
	select {
	case <-told:
	case <-patience.C:
	}
}

// announceSafely makes an error of a panic, which in a goroutine of the cache's own would end the program.
func (c *Cache) announceSafely(ctx context.Context, inv Invalidation) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanicked, v)
		}
	}()
	return c.onInvalidate(ctx, inv)
}

func (c *Cache) notAnnounced(ctx context.Context, err error) {
	c.counters.announceErrors.Add(1)
	c.log.LogAttrs(ctx, slog.LevelWarn, "what an unsafe request invalidated was not announced", slog.Any("error", err))
}
