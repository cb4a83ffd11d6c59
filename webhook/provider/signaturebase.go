package provider

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-go/gatehouse/webhook"
)

// signatureBase returns what a signature with this input signs (RFC 9421, section 2.5): a line for each covered component, and the input
// itself. The URL is the public one, with the query as received.
func signatureBase(input sfMember, public *url.URL, r *http.Request, body []byte) ([]byte, error) {
	var b []byte
	seen := map[string]bool{}
	for _, component := range input.list {
		if component.item.kind != sfString {
			return nil, fmt.Errorf("%w: a component is no string", webhook.ErrSignatureFormat)
		}
		id := string(component.params.appendTo(component.item.appendTo(nil)))
		if seen[id] {
			return nil, fmt.Errorf("%w: the component %.80s is covered twice", webhook.ErrSignatureFormat, id)
		}
		seen[id] = true
		value, err := componentValue(component, public, r, body)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("%w: the component %.80s has a line break", webhook.ErrSignatureFormat, id)
		}
		b = append(b, id...)
		b = append(b, ": "...)
		b = append(b, value...)
		b = append(b, '\n')
	}
	b = append(b, `"@signature-params": `...)
	return input.appendList(b), nil
}

// componentValue returns the value of one component of a request (sections 2.1 and 2.2).
func componentValue(c sfListItem, public *url.URL, r *http.Request, body []byte) (string, error) {
	name := c.item.text
	if name == "@query-param" {
		return queryParam(c, r)
	}
	if len(c.params) > 0 {
		return "", fmt.Errorf("%w: parameters of the component %.80q are not supported", webhook.ErrSignatureFormat, name)
	}
	path := public.EscapedPath()
	if path == "" {
		path = "/"
	}
	query := ""
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		query = "?" + r.URL.RawQuery
	}
	switch name {
	case "@method":
		return r.Method, nil
	case "@target-uri":
		return strings.ToLower(public.Scheme) + "://" + public.Host + path + query, nil
	case "@authority":
		return authority(public), nil
	case "@scheme":
		return strings.ToLower(public.Scheme), nil
	case "@request-target":
		return path + query, nil
	case "@path":
		return path, nil
	case "@query":
		if query == "" {
			return "?", nil
		}
		return query, nil
	}
	return fieldValue(name, r, body)
}

// authority returns the host in lower case, without the scheme's own port (section 2.2.3).
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// fieldValue returns the value of a header field, its lines joined (section 2.1).
func fieldValue(name string, r *http.Request, body []byte) (string, error) {
	if !validField(name) || strings.ToLower(name) != name || strings.HasPrefix(name, "@") {
		return "", fmt.Errorf("%w: the component %.80q is not supported", webhook.ErrSignatureFormat, name)
	}
	lines := r.Header[canonical(name)]
	if len(lines) == 0 {
		switch name { // which net/http takes out of the header
		case "host":
			lines = []string{r.Host}
		case "content-length":
			lines = []string{strconv.Itoa(len(body))}
		default:
			return "", fmt.Errorf("%w: the signed field %.80q is missing", webhook.ErrSignatureFormat, name)
		}
	}
	trimmed := make([]string, len(lines))
	for i, line := range lines {
		trimmed[i] = strings.TrimSpace(line)
	}
	return strings.Join(trimmed, ", "), nil
}

// queryParam returns the value of one query parameter (section 2.2.8).
func queryParam(c sfListItem, r *http.Request) (string, error) {
	name, ok := c.params.get("name")
	if !ok || name.kind != sfString || len(c.params) != 1 {
		return "", fmt.Errorf("%w: @query-param wants a name", webhook.ErrSignatureFormat)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	decoded, err2 := url.PathUnescape(name.text)
	if err != nil || err2 != nil || len(query[decoded]) != 1 {
		return "", fmt.Errorf("%w: the query has no parameter %.80q, or several", webhook.ErrSignatureFormat, name.text)
	}
	return percentEncode(query[decoded][0], alphanumeric+"*-._"), nil
}
