package proxy

import (
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatehouse-go/gatehouse/internal/clientip"
)

// viaName is the name by which forwarded requests say that they passed here (RFC 9110, section 7.6.3).
const viaName = "gatehouse"

// maxVia is how often a request may have passed a gatehouse: several in a row are a design, this many are a circle.
const maxVia = 8

// passes counts how often Via names us.
func passes(via []string) int {
	n := 0
	for _, line := range via {
		for element := range strings.SplitSeq(line, ",") {
			if fields := strings.Fields(element); len(fields) > 1 && fields[1] == viaName {
				n++
			}
		}
	}
	return n
}

// rewriteOutgoing makes the outgoing request: nothing of the client's says where it goes or where it came from.
func rewriteOutgoing(pr *httputil.ProxyRequest) {
	out, in := pr.Out, pr.In
	dropForwarding(out.Header)
	setForwarding(out.Header, in)
	for _, op := range flightOf(out.Context()).set { // again: it may be a field that clients must not send, such as X-Forwarded-User
		op.apply(out.Header)
	}
	proto := "1.1 "
	if in.ProtoMajor == 2 {
		proto = "2.0 "
	}
	out.Header["Via"] = append(out.Header["Via"], proto+viaName)
}

// dropForwarding removes what upstreams take as the client's address, host or path from a proxy they trust.
func dropForwarding(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "X-Forwarded") {
			delete(h, name)
		}
	}
	for _, name := range [...]string{
		"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "X-Cluster-Client-Ip",
		"X-Original-Url", "X-Rewrite-Url", "X-Original-Host", "X-Host", "X-Http-Host-Override", "Proxy",
	} {
		delete(h, name)
	}
}

// setForwarding says who asked for what (RFC 7239, and the fields that came before it).
func setForwarding(h http.Header, in *http.Request) {
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	var forwarded strings.Builder
	forwarded.Grow(64)
	if addr := clientip.From(in); addr.IsValid() {
		text := addr.String()
		h["X-Forwarded-For"] = []string{text}
		if addr.Is6() {
			forwarded.WriteString(`for="[` + text + `]";`)
		} else {
			forwarded.WriteString("for=" + text + ";")
		}
	} else {
		forwarded.WriteString("for=unknown;")
	}
	if in.Host != "" && httpguts.ValidHostHeader(in.Host) && !strings.ContainsAny(in.Host, `"\`) {
		h["X-Forwarded-Host"] = []string{in.Host}
		forwarded.WriteString(`host="` + in.Host + `";`)
	}
	if local, ok := in.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		h["X-Forwarded-Port"] = []string{strconv.Itoa(local.Port)}
	}
	h["X-Forwarded-Proto"] = []string{proto}
	forwarded.WriteString("proto=" + proto)
	h["Forwarded"] = []string{forwarded.String()}
}
