package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-go/gatehouse/webhook/inbox/console"
)

func ExampleNew() {
	box := sample() // an inbox, such as that of sqlite.Open
	pages, err := console.New(box, console.Config{
		Access: func(r *http.Request) (string, error) {
			if user, password, _ := r.BasicAuth(); user == "ann" && password == "correct horse" { // the application's own sign-in
				return user, nil
			}
			return "", errors.New("not signed in")
		},
		HideFields: []string{"card_number", "/data/customer/email"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/console/", pages)
	server := httptest.NewUnstartedServer(mux)
	server.Config.RegisterOnShutdown(pages.Close)
	server.Start()
	defer server.Close()

	for _, password := range []string{"a guess", "correct horse"} {
		r, _ := http.NewRequest(http.MethodGet, server.URL+"/console/deliveries", nil)
		r.SetBasicAuth("ann", password)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res.StatusCode, res.Header.Get("Content-Type"))
		_ = res.Body.Close()
	}
	// Output:
	// 403 text/html; charset=utf-8
	// 200 text/html; charset=utf-8
}
