package oidc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
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
		Client: provider.Client(), // only for the test's certificate
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

// GitHub speaks OAuth 2 alone: who the person is stands behind its API. The number is theirs for good; the name can change hands.
func ExampleOAuth2() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"id":583231,"login":"octocat"}`)
	})) // stands for https://api.github.com
	defer api.Close()

	github := oidc.Provider{
		ID: "github", ClientID: "client id", ClientSecret: "client secret", Scopes: []string{"read:user"},
		OAuth2: &oidc.OAuth2{
			AuthURL:  "https://github.com/login/oauth/authorize",
			TokenURL: "https://github.com/login/oauth/access_token",
			Identify: func(ctx context.Context, client *http.Client) (oidc.Identity, error) {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL+"/user", nil)
				if err != nil {
					return oidc.Identity{}, err
				}
				res, err := client.Do(r)
				if err != nil {
					return oidc.Identity{}, err
				}
				defer res.Body.Close()
				var u struct {
					ID    int64
					Login string
				}
				if err := json.NewDecoder(res.Body).Decode(&u); err != nil || u.ID == 0 {
					return oidc.Identity{}, fmt.Errorf("GitHub's user: %d %w", res.StatusCode, err)
				}
				claims, err := json.Marshal(map[string]string{"login": u.Login})
				return oidc.Identity{Subject: strconv.FormatInt(u.ID, 10), Claims: claims}, err
			},
		},
	}
	id, err := github.OAuth2.Identify(context.Background(), api.Client())
	fmt.Println(id.Subject, string(id.Claims), err)
	// Output: 583231 {"login":"octocat"} <nil>
}
