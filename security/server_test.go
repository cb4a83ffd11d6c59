package security_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/testwait"
	"github.com/gatehouse-go/gatehouse/security"
)

func TestServerIsHarderThanNetHTTP(t *testing.T) {
	h := http.NewServeMux()
	s := security.Server(h)
	if s.Handler != h || s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Errorf("%+v", s)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config = s
	s.ReadHeaderTimeout = 100 * time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testwait.Patience))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("a header that never ends: %v", err)
	}
}

func ExampleServer() {
	server := security.Server(http.NotFoundHandler())
	server.Addr = "127.0.0.1:8080"
	fmt.Println(server.ReadHeaderTimeout)
	// Output: 5s
}
