package revalidate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/gatehouse-go/gatehouse/internal/inprocess"
	"github.com/gatehouse-go/gatehouse/internal/refusal"
)

// ErrURL is the reason for which a URL is refused that is not an absolute http or https one.
var ErrURL = refusal.New(http.StatusBadRequest, "URL must be absolute, of scheme http or https, with a host")

// requestFor makes the request that a client would send for rawURL.
func requestFor(rawURL string) (*http.Request, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, ErrURL
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return inprocess.Request(u.Scheme, u.Host, u), nil
}

// Warmed says how one URL of [Warm] went.
type Warmed struct {
	URL    string
	Status int   // of the answer; 0 where there is none
	Err    error // why there is none
}

// Warm asks handler for each URL, at most parallel at once, so that what it answers is stored before the first client asks.
// handler is the outermost one that needs to see the requests, with [Cache.Wrap] somewhere inside; each request has
// a GET, the URL's host and no other field, and comes from 127.0.0.1. URLs are absolute. Export, in package gatehouse, asks its handler in the
// same way, and so fills a cache inside it too.
//
// progress, if not nil, is called once for each URL, from one goroutine at a time, in the order in which they are done.
// Warm returns when all are done or ctx has ended; its error joins those of all URLs that gave no answer below 400.
func Warm(ctx context.Context, handler http.Handler, urls []string, parallel int, progress func(Warmed)) error {
	if parallel < 1 {
		return fmt.Errorf("revalidate: parallel = %d must be positive", parallel)
	}
	work := make(chan string)
	var (
		mu     sync.Mutex
		failed []error
		wg     sync.WaitGroup
	)
	for range min(parallel, len(urls)) {
		wg.Go(func() {
			for u := range work {
				done := warm(ctx, handler, u)
				mu.Lock()
				switch {
				case done.Err != nil:
					failed = append(failed, fmt.Errorf("%s: %w", u, done.Err))
				case done.Status >= 400:
					failed = append(failed, fmt.Errorf("%s: status %d", u, done.Status))
				}
				if progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, u := range urls {
		select {
		case work <- u:
		case <-ctx.Done():
			failed = append(failed, context.Cause(ctx))
			break feed
		}
	}
	close(work)
	wg.Wait()
	return errors.Join(failed...)
}

func warm(ctx context.Context, handler http.Handler, u string) (done Warmed) {
	done.URL = u
	r, err := requestFor(u)
	if err != nil {
		done.Err = err
		return done
	}
	defer func() {
		if v := recover(); v != nil {
			done.Err = fmt.Errorf("%w: %v", ErrPanic, v)
		}
	}()
	w := &discard{header: make(http.Header)}
	handler.ServeHTTP(w, r.WithContext(ctx))
	if done.Status = w.status; done.Status == 0 {
		done.Status = http.StatusOK
	}
	return done
}

// discard is a ResponseWriter that keeps the status.
type discard struct {
	header http.Header
	status int
}

func (w *discard) Header() http.Header { return w.header }

func (w *discard) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}

func (w *discard) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}
