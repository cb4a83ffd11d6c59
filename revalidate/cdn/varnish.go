package cdn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// VarnishConfig says how a [Varnish] works. Nodes is required.
type VarnishConfig struct {
	// Nodes are the addresses of the instances, such as "http://10.0.0.1:6081": each has a cache of its own and is told.
	Nodes []string
	// FullVCL says that the VCL of the instances answers for URLs and for everything too, as the one that [Varnish] shows does. An older one that
	// knows tags alone would say that all is well and purge nothing, so false means that these are [ErrUnsupported].
	FullVCL bool
	// Header are further fields of each request, such as a secret that the VCL asks for.
	Header http.Header
	// Client sends the requests. Nil means http.DefaultClient. In either case redirects are not followed.
	Client *http.Client
	// Timeout bounds one request. Zero means 10 s.
	Timeout time.Duration
}

// A Varnish purges tags in instances of Varnish with the module xkey of varnish-modules. The responses name their tags in the field
// xkey (Responses.EmitTags: "xkey"), and the VCL answers PURGE:
//
//	import xkey;
//	acl purgers { "10.0.0.0"/8; }
//	sub vcl_recv {
//		if (req.method == "PURGE") {
//			if (client.ip !~ purgers) { return (synth(403)); }
//			if (req.http.purge == "all") { ban("obj.status != 0"); return (synth(200)); }
//			if (req.http.purge == "url") { return (purge); }
//			if (req.http.xkey-softpurge) {
//				set req.http.n = xkey.softpurge(req.http.xkey-softpurge);
//			} else {
//				set req.http.n = xkey.purge(req.http.xkey-purge);
//			}
//			return (synth(200, req.http.n));
//		}
//	}
//
// For [revalidate.ModeStaleWhileRevalidate] the request has xkey-softpurge, which leaves what it names to be served in its grace;
// for [revalidate.ModeExpire] it has xkey-purge. With FullVCL, a URL is purged at once by a PURGE of that URL, with its host, that has the field
// "purge: url", and everything by one that has "purge: all". Paths, prefixes and cache groups are [ErrUnsupported]; what is beside them is purged
// all the same.
type Varnish struct {
	client
	nodes  []string
	full   bool
	header http.Header
}

// varnishKeys keeps the header of a request within Varnish's default bound of 8 KiB for one line.
const varnishKeys = 25

// NewVarnish returns a sender. The error joins every mistake in c.
func NewVarnish(c VarnishConfig) (*Varnish, error) {
	mistakes := invalid.Config{Package: "cdn"}
	if len(c.Nodes) == 0 {
		mistakes.Hidden("Nodes", "is required")
	}
	v := &Varnish{client: newClient(c.Client, c.Timeout, &mistakes), full: c.FullVCL, header: c.Header.Clone()}
	for i, node := range c.Nodes {
		one := invalid.Config{Package: "cdn"}
		v.nodes = append(v.nodes, checkAPI(&one, node, ""))
		if node == "" || one.Err() != nil {
			mistakes.Field(fmt.Sprintf("Nodes[%d]", i), node, "must be an absolute http or https URL")
		}
	}
	if err := mistakes.Err(); err != nil {
		return nil, err
	}
	if v.header == nil {
		v.header = make(http.Header)
	}
	return v, nil
}

// Send purges the tags and URLs of inv, or everything, in each instance.
func (v *Varnish) Send(ctx context.Context, inv revalidate.Invalidation) error {
	asked, err := v.requests(inv)
	failed := []error{err}
	for _, node := range v.nodes {
		for _, one := range asked {
			header := v.header.Clone()
			maps.Copy(header, one.header)
			if _, err := v.do(ctx, "PURGE", node+one.target, header, ""); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// purge is one request to each instance.
type purge struct {
	target string // path and query
	header http.Header
}

func (v *Varnish) requests(inv revalidate.Invalidation) (asked []purge, err error) {
	if !v.full && (inv.All || len(inv.URLs) > 0) {
		err = fmt.Errorf("%w: URLs and everything, without FullVCL", ErrUnsupported)
	}
	if inv.All {
		if err == nil {
			asked = append(asked, purge{"/", http.Header{"Purge": {"all"}}})
		}
		return asked, err
	}
	groups, unsupported := onlyTags(inv, varnishKeys)
	err = errors.Join(err, unsupported)
	field := "Xkey-Purge"
	if inv.Mode == revalidate.ModeStaleWhileRevalidate {
		field = "Xkey-Softpurge"
	}
	for _, keys := range groups {
		asked = append(asked, purge{"/", http.Header{field: {strings.Join(keys, " ")}}})
	}
	if !v.full {
		return asked, err
	}
	urls, failed := pages(inv.URLs, nil)
	for _, page := range urls {
		host, target, _ := strings.Cut(page, "/")
		asked = append(asked, purge{"/" + target, http.Header{"Purge": {"url"}, "Host": {host}}})
	}
	return asked, errors.Join(err, failed)
}
