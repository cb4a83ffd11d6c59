package proxy_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/proxy"
)

// full returns the address of a server that takes no connection, since its queue is full, and says nothing of it either.
func full(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 64 {
		conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("the system queues connections beyond the bound that a server asks for")
	return ""
}

func TestDialTimeout(t *testing.T) {
	silent := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }) // takes the connection and never answers
	for _, row := range []struct{ name, target string }{
		{"a connection that is not taken", "http://" + full(t)},
		{"a TLS handshake that is not answered", "https://" + silent},
	} {
		s := front(t, proxy.Config{}, proxy.Upstream{Targets: []string{row.target}, DialTimeout: 50 * time.Millisecond, HeaderTimeout: time.Hour})
		if res := send(t, "GET", s.URL+"/up/a", ""); res.StatusCode != 504 {
			t.Errorf("%s: got %d", row.name, res.StatusCode)
		}
	}
}
