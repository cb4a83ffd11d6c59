package console

import (
	"net/http"
	"strconv"
	"strings"
)

// A visit is one request to one page.
type visit struct {
	console *Console
	w       http.ResponseWriter
	r       *http.Request
	path    string // below the console's root, without a slash at its beginning
	base    string // relative link to the console's root
	user    string
	id      int64 // of the delivery that the path names
}

// A route is what is under one path. A nil get or post is answered 405.
type route struct {
	get, post func(*visit) error
	stream    bool // get writes as it goes
}

// fixed are the routes whose path has no parameter.
var fixed = map[string]route{
	"":            {get: (*visit).overview},
	"deliveries":  {get: (*visit).list},
	"dead":        {get: (*visit).dead},
	"replay":      {get: (*visit).confirmReplay, post: (*visit).replaySelected},
	"discard":     {get: (*visit).confirmDiscard, post: (*visit).discardSelected},
	"pause":       {post: (*visit).pause},
	"resume":      {post: (*visit).resume},
	"events":      {get: (*visit).follow, stream: true},
	"console.css": {get: (*visit).asset},
	"console.js":  {get: (*visit).asset},
	"icon.svg":    {get: (*visit).asset},
}

// ofDelivery are the routes below deliveries/{id}.
var ofDelivery = map[string]route{
	"":        {get: (*visit).delivery},
	"replay":  {post: (*visit).replayOne},
	"discard": {post: (*visit).discardOne},
}

// found is a route with the parameter of its path.
type found struct {
	route
	id int64
}

// find returns what is under path.
func find(path string) (found, bool) {
	if r, ok := fixed[path]; ok {
		return found{route: r}, true
	}
	rest, ok := strings.CutPrefix(path, "deliveries/")
	number, action, more := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || id < 1 || strconv.FormatInt(id, 10) != number || more && action == "" {
		return found{}, false // one delivery has one path
	}
	r, ok := ofDelivery[action]
	return found{r, id}, ok
}

// serve runs the func for the request's method.
func (v *visit) serve(page found) {
	v.id = page.id
	var run func(*visit) error
	switch v.r.Method {
	case http.MethodGet, http.MethodHead:
		run = page.get
	case http.MethodPost:
		run = page.post
		if run != nil && v.console.origins.Check(v.r) != nil {
			v.refuse(errCrossOrigin)
			return
		}
	case http.MethodOptions:
		v.w.Header()["Allow"] = []string{page.allow()}
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	switch {
	case run == nil:
		v.w.Header()["Allow"] = []string{page.allow()}
		v.refuse(errMethod)
	case v.path == "" && v.addSlash():
	default:
		if err := run(v); err != nil {
			v.refuse(err)
		}
	}
}

func (p found) allow() string {
	switch {
	case p.post == nil:
		return "GET, HEAD, OPTIONS"
	case p.get == nil:
		return "OPTIONS, POST"
	}
	return "GET, HEAD, OPTIONS, POST"
}
