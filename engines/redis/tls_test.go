package redis_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/engines/redis"
)

// certificates makes an authority, and a certificate of it for the loopback address, for server and client both. It returns the files, and
// what a client needs.
func certificates(t *testing.T) (cert, key, authority string, client *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	made := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = own
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &own.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, own
	}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, caKey := made(ca, ca, nil)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: from, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	leafDER, leafKey := made(leaf, ca, caKey)
	keyDER, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	client = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}}}
	return file("cert.pem", "CERTIFICATE", leafDER), file("key.pem", "EC PRIVATE KEY", keyDER), file("ca.pem", "CERTIFICATE", caDER), client
}

// The server speaks TLS alone, and asks for the client's certificate too.
func TestEachPieceKeepsItsContractOverTLS(t *testing.T) {
	cert, key, authority, client := certificates(t)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	s := &server{t: t, binary: "redis-server", address: address, tls: client, args: []string{
		"--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority, "--tls-auth-clients", "yes",
	}}
	start(t).kill() // skips where there is none
	s.run()
	t.Cleanup(s.kill)
	contracts(t, s, func(c *redis.Config) { c.TLS = client })

	for name, wrong := range map[string]*tls.Config{
		"no TLS":                nil,
		"another authority":     {MinVersion: tls.VersionTLS12, Certificates: client.Certificates},
		"no client certificate": {MinVersion: tls.VersionTLS12, RootCAs: client.RootCAs},
	} {
		var log bytes.Buffer
		e := s.engine(func(c *redis.Config) {
			c.TLS, c.Timeout, c.Logger = wrong, 2*time.Second, slog.New(slog.NewTextHandler(&log, nil))
		})
		for range 4 {
			if err := e.Ping(t.Context()); !errors.Is(err, redis.ErrOut) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if strings.Count(log.String(), "redis is out") != 1 {
			t.Errorf("%s: log %q", name, log.String())
		}
	}
}
