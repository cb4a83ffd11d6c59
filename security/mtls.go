package security

import (
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
)

// MTLS is a [Scheme] for clients that show a certificate in the TLS handshake. The server verifies it where its tls.Config has
// ClientCAs and ClientAuth tls.VerifyClientCertIfGiven or tls.RequireAndVerifyClientCert; a certificate that was not verified
// is refused. Identify is required.
//
// It reads the connection, never a header field: a proxy that ends TLS must itself decide by the certificate.
type MTLS struct {
	// Identify returns whom a verified certificate belongs to, such as by its first URI or DNS name. Its error wraps
	// [ErrCredentials] where the certificate opens nothing here. Required.
	Identify func(*x509.Certificate) (Principal, error)
}

// Claim reports whether the client has shown a certificate. It cannot be guessed, so it names nobody.
func (MTLS) Claim(r *http.Request) (name string, ok bool) {
	return "", r.TLS != nil && len(r.TLS.PeerCertificates) > 0
}

// Authenticate identifies the client by its certificate, which must still be valid: a connection may outlive it.
func (m MTLS) Authenticate(r *http.Request) (Principal, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return Principal{}, wrong("the client certificate was not verified: tls.Config.ClientAuth does not ask for it")
	}
	leaf := r.TLS.VerifiedChains[0][0]
	if now := time.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return Principal{}, wrong("the client certificate is not valid now")
	}
	p, err := m.Identify(leaf)
	if err == nil && p.ID == "" {
		err = errors.New("security: MTLS.Identify returned a principal without an ID")
	}
	if p.Scheme == "" {
		p.Scheme = "mtls"
	}
	return p, err
}

// Challenge names the scheme "ClientCertificate": no standard has a name for it, since TLS has asked for the certificate already, and a 401
// must have a challenge.
func (MTLS) Challenge(reason error, _ []string) string {
	if errors.Is(reason, ErrScope) {
		return ""
	}
	return `ClientCertificate realm="tls"`
}

func (m MTLS) compile(field string, bad *invalid.Config) Scheme {
	if m.Identify == nil {
		bad.Hidden(field+".Identify", "must not be nil")
	}
	return m
}
