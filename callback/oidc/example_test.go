package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/gatehouse/callback"
	"github.com/gatehouse-go/gatehouse/callback/callbacktest"
	"github.com/gatehouse-go/gatehouse/callback/oidc"
)

type person struct {
	Subject string `json:"subject"`
}

func ExampleNew() {
	t := &testing.T{} // in a test, its own
	provider := callbacktest.NewProvider(t, callbacktest.ProviderConfig{})
	defer provider.Close()

	keys, err := callback.NewKeyring([]byte("Xq3#pN8!vT5^kZ1&mB7*rL4(wD9)yG2@")) // from the environment
	if err != nil {
		panic(err)
	}
	login, err := oidc.New(context.Background(), oidc.Config[person]{
		Providers: []oidc.Provider{{
			Issuer:       provider.Issuer, // such as https://accounts.example.com
			ClientID:     provider.ClientID,
			ClientSecret: oidc.Secret(provider.ClientSecret),
		}},
		BaseURL: "https://app.example.com",
		Keys:    keys,
		User: func(_ context.Context, id oidc.Identity) (person, error) {
			return person{id.Subject}, nil // find or make the account of id.Issuer and id.Subject
		},
		HTTPClient: provider.Client(), // only for the test's certificate
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /login", login.Start())
	mux.Handle("GET /auth/callback", login.Callback())
	mux.Handle("POST /logout", login.Logout())
	mux.Handle("GET /", login.Sessions().Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := callback.SessionFrom[person](r.Context())
		fmt.Fprintln(w, "signed in as", p.Subject)
	})))

	r := httptest.NewRequest("GET", "/inbox", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /login?return_to=%2Finbox
}
