package proxy

import (
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
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
	set := flightOf(out.Context()).set
	dropForwarding(out.Header, set)
	setForwarding(out.Header, in)
	for _, op := range set { // again: it may be a field that clients must not send, such as X-Forwarded-User
		op.apply(out.Header)
	}
	proto := "1.1 "
	if in.ProtoMajor == 2 {
		proto = "2.0 "
	}
	out.Header["Via"] = append(out.Header["Via"], proto+viaName)
}

// dropForwarding removes what upstreams take from a proxy they trust as the client's address, host or path. Upstreams behind CGI
// and WSGI read an underscore in a name as a hyphen (RFC 3875, section 4.1.18), so a name counts in either form; so do those of
// set, which Handle sets for the upstream to trust.
func dropForwarding(h http.Header, set []headerOp) {
	for name := range h {
		plain := name
		if strings.IndexByte(name, '_') >= 0 {
			plain = http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
		}
		if isForwarding(plain) || plain != name && slices.ContainsFunc(set, func(op headerOp) bool { return op.name == plain }) {
			delete(h, name)
		}
	}
}

func isForwarding(name string) bool {
	switch name {
	case "Forwarded", "Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "X-Proxyuser-Ip",
		"Cf-Connecting-Ip", "Cf-Connecting-Ipv6", "Fastly-Client-Ip", "X-Envoy-External-Address", "X-Original-Forwarded-For",
		"X-Original-Url", "X-Rewrite-Url", "X-Original-Host", "X-Host", "X-Http-Host-Override",
		"X-Scheme", "X-Url-Scheme", "Front-End-Https",
		"Http2-Settings", // which belongs to an upgrade that is not passed on (RFC 7540, section 3.2.1)
		"Proxy":          // which CGI makes HTTP_PROXY of
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded")
}

// setForwarding says who asked for what (RFC 7239, and the fields that came before it).
func setForwarding(h http.Header, in *http.Request) {
	var fields [5]string // one piece of memory for the values of all fields
	n := 0
	set := func(name, value string) {
		fields[n] = value
		h[name] = fields[n : n+1 : n+1]
		n++
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	var text [128]byte // of Forwarded
	forwarded := append(text[:0], "for=unknown"...)
	if addr := clientip.From(in); addr.IsValid() {
		client := addr.String()
		set("X-Forwarded-For", client)
		forwarded = append(text[:0], "for="...)
		if addr.Is6() {
			forwarded = append(append(append(forwarded, `"[`...), client...), `]"`...)
		} else {
			forwarded = append(forwarded, client...)
		}
	}
	if in.Host != "" && httpguts.ValidHostHeader(in.Host) && !strings.ContainsAny(in.Host, `"\`) {
		set("X-Forwarded-Host", in.Host)
		forwarded = append(append(append(forwarded, `;host="`...), in.Host...), '"')
	}
	if local, ok := in.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		set("X-Forwarded-Port", strconv.Itoa(local.Port))
	}
	set("X-Forwarded-Proto", proto)
	set("Forwarded", string(append(append(forwarded, ";proto="...), proto...)))
}
