package security

import (
	"net/http"
	"time"
)

// Server returns an [http.Server] for handler whose settings hold against slow clients: 5 seconds for a request's header,
// a minute for the request and for its answer, two minutes idle, 32 KiB of header, and 100 streams on an HTTP/2 connection. The caller
// sets Addr and may change any field.
//
// The minute covers handlers outside of a [Deadlines]; inside one its finer deadlines replace it, so that uploads and streams may take longer.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
}
