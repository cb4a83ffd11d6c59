package cdn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/invalid"
	"github.com/gatehouse-go/gatehouse/revalidate"
)

// VarnishConfig says how a [Varnish] works. Nodes is required.
type VarnishConfig struct {
	// Nodes are the addresses of the instances, such as "http://10.0.0.1:6081": each has a cache of its own and is told.
	Nodes []string
	// Header are further fields of each request, such as a secret that the VCL asks for.
	Header http.Header
	// Client sends the requests. Nil means http.DefaultClient.
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
//			if (req.http.xkey-softpurge) {
//				set req.http.n = xkey.softpurge(req.http.xkey-softpurge);
//			} else {
//				set req.http.n = xkey.purge(req.http.xkey-purge);
//			}
//			return (synth(200, req.http.n));
//		}
//	}
//
// For [revalidate.StaleWhileRevalidate] the request has xkey-softpurge, which leaves what it names to be served in its grace;
// for [revalidate.Expire] it has xkey-purge. Paths and prefixes are [ErrUnsupported]; the tags beside them are purged all the same.
type Varnish struct {
	client
	nodes  []string
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
	v := &Varnish{client: newClient(c.Client, c.Timeout, &mistakes), header: c.Header.Clone()}
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

// Send purges the tags of inv in each instance.
func (v *Varnish) Send(ctx context.Context, inv revalidate.Invalidation) error {
	groups, err := onlyTags(inv, varnishKeys)
	field := "Xkey-Purge"
	if inv.Mode == revalidate.StaleWhileRevalidate {
		field = "Xkey-Softpurge"
	}
	failed := []error{err}
	for _, node := range slices.Clone(v.nodes) {
		for _, keys := range groups {
			header := v.header.Clone()
			header.Set(field, strings.Join(keys, " "))
			if _, err := v.do(ctx, "PURGE", node+"/", header, ""); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}
