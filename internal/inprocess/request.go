// Package inprocess makes the requests that a program asks its own handlers, without a connection.
package inprocess

import (
	"crypto/tls"
	"net/http"
	"net/url"
)

// Request returns a GET for a target, of which path and query count, as a client at this machine would send it to a site: with the host, and with
// a TLS state where scheme is https, so that what depends on either, such as the key of a cache, is what it is for other clients.
// Its header is empty, and the caller may add to it.
func Request(scheme, host string, target *url.URL) *http.Request {
	u := &url.URL{Path: target.Path, RawPath: target.RawPath, RawQuery: target.RawQuery, ForceQuery: target.ForceQuery}
	r := &http.Request{
		Method: http.MethodGet, URL: u, RequestURI: u.RequestURI(), Host: host, RemoteAddr: "127.0.0.1:0",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header), Body: http.NoBody,
	}
	if scheme == "https" {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: host}
	}
	return r
}
