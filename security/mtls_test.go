package security_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/security"
)

// issue makes a certificate for name, signed by parent or by itself.
func issue(t *testing.T, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signer, by := any(key), template
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		signer, by = parent.PrivateKey, parent.Leaf
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestMTLS(t *testing.T) {
	ca, stranger := issue(t, "ca", nil), issue(t, "stranger", nil)
	ann, eve := issue(t, "ann.example", &ca), issue(t, "eve.example", &ca)
	access := newAccess(t, security.AccessConfig{Schemes: []security.Scheme{security.MTLS{Identify: func(c *x509.Certificate) (security.Principal, error) {
		switch c.DNSNames[0] {
		case "ann.example":
			return security.Principal{ID: "ann"}, nil
		case "eve.example":
			return security.Principal{}, fmt.Errorf("%w: eve", security.ErrCredentials)
		}
		return security.Principal{}, nil
	}}}})
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	for _, row := range []struct {
		name string
		auth tls.ClientAuthType
		cert *tls.Certificate
		want int
	}{
		{"a verified certificate", tls.VerifyClientCertIfGiven, &ann, 200},
		{"a verified one that opens nothing", tls.VerifyClientCertIfGiven, &eve, 401},
		{"none", tls.VerifyClientCertIfGiven, nil, 401},
		{"one that the server did not verify", tls.RequestClientCert, &stranger, 401},
		{"a good one that the server did not verify", tls.RequireAnyClientCert, &ann, 401},
	} {
		srv := httptest.NewUnstartedServer(access.Wrap(whoami))
		srv.TLS = &tls.Config{ClientCAs: pool, ClientAuth: row.auth}
		srv.StartTLS()
		client := srv.Client()
		transport, _ := client.Transport.(*http.Transport)
		if row.cert != nil {
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return row.cert, nil }
		}
		res, err := client.Get(srv.URL)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if challenge := res.Header.Get("WWW-Authenticate"); (row.want == 401) != (challenge == `ClientCertificate realm="tls"`) {
			t.Errorf("%s: challenge %q", row.name, challenge)
		}
		if res.StatusCode != row.want || row.want == 200 && (string(body) != "ann true" || res.Header.Get("Cache-Control") != "private") {
			t.Errorf("%s: got %d %s %v", row.name, res.StatusCode, body, res.Header)
		}
		srv.Close()
	}
	if got := (security.MTLS{}).Challenge(security.ErrScope, nil); got != "" {
		t.Errorf("a scope too few: %s", got)
	}
	r := httptest.NewRequest("GET", "/", nil)
	expired := *ann.Leaf
	expired.NotAfter = time.Now().Add(-time.Second)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{&expired}, VerifiedChains: [][]*x509.Certificate{{&expired}}}
	if _, err := access.Check(r); !errors.Is(err, security.ErrCredentials) {
		t.Errorf("a certificate that a connection outlived: %v", err)
	}
	nobody := issue(t, "nobody.example", &ca)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{nobody.Leaf}, VerifiedChains: [][]*x509.Certificate{{nobody.Leaf}}}
	if _, err := access.Check(r); err == nil || errors.Is(err, security.ErrCredentials) {
		t.Errorf("a principal without an ID is a fault of the program: %v", err)
	}
}
