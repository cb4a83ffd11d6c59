package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
)

// insecureJar takes Secure cookies from the loopback address, as browsers and curl do, and a jar of net/http does not.
type insecureJar struct{ jar *cookiejar.Jar }

func secured(u *url.URL) *url.URL {
	copied := *u
	copied.Scheme = "https"
	return &copied
}

func (j *insecureJar) SetCookies(u *url.URL, c []*http.Cookie) { j.jar.SetCookies(secured(u), c) }
func (j *insecureJar) Cookies(u *url.URL) []*http.Cookie       { return j.jar.Cookies(secured(u)) }
