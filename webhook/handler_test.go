package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/webhook"
)

func TestNewReportsEveryMistake(t *testing.T) {
	_, err := webhook.New(webhook.Config{
		Tolerance: -time.Second, InsecureAnyAge: true, MaxBody: -1, MinRate: -1, ReadTimeout: -1, PublicURL: "hooks.example/x",
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{"Scheme is required", "OnEvent is required", "Tolerance", "MaxBody", "MinRate", "ReadTimeout", "PublicURL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s:\n%v", want, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	onEvent := func(context.Context, webhook.Event) error { return nil }
	good := []webhook.Secret{webhook.NewSecret(goodSecret)}
	tests := []struct {
		name   string
		config webhook.Config
		want   string
	}{
		{"no secret", webhook.Config{Scheme: plain{}, OnEvent: onEvent}, "plain: Secrets is required"},
		{"an empty secret, under which anybody can sign", webhook.Config{Scheme: plain{secrets: []webhook.Secret{good[0], {}}}, OnEvent: onEvent}, "Secrets[1] must not be empty"},
		{"a relative public URL", webhook.Config{Scheme: plain{secrets: good}, OnEvent: onEvent, PublicURL: "/hooks"}, "PublicURL"},
		{"a public URL with a password", webhook.Config{Scheme: plain{secrets: good}, OnEvent: onEvent, PublicURL: "https://u:p@app.example/hooks"}, "PublicURL"},
		{"a public URL of another scheme", webhook.Config{Scheme: plain{secrets: good}, OnEvent: onEvent, PublicURL: "ftp://app.example/hooks"}, "PublicURL"},
		{"a public URL that cannot be parsed", webhook.Config{Scheme: plain{secrets: good}, OnEvent: onEvent, PublicURL: "https://app.example/%zz"}, "PublicURL"},
		{"a handler slower than the provider waits", webhook.Config{Scheme: plain{secrets: good, contract: webhook.Contract{AckTimeout: 3 * time.Second}}, OnEvent: onEvent, HandlerTimeout: 3 * time.Second}, "must be less than the 3s"},
		{"a body that may take longer than the whole answer", webhook.Config{Scheme: plain{secrets: good}, OnEvent: onEvent, HandlerTimeout: time.Second, ReadTimeout: 2 * time.Second}, "must not be more than the HandlerTimeout of 1s"},
		{"a memory shorter than the provider retries", webhook.Config{Scheme: plain{secrets: good, contract: webhook.Contract{RetryWindow: 4 * time.Hour}}, OnEvent: onEvent, RememberFor: time.Hour}, "must cover the 4h0m0s"},
		{"a scheme that accepts with an error", webhook.Config{Scheme: plain{secrets: good, contract: webhook.Contract{Accepted: webhook.Reply{Status: 404}}}, OnEvent: onEvent}, "must have status 200 to 299"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := webhook.New(tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("New = %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), goodSecret) || strings.Contains(err.Error(), "u:p@") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// Deliveries that arrive while the secrets change are verified under the ones before or the ones after, never under a mixture.
func TestSetSecretsWhileDeliveriesArrive(t *testing.T) {
	e := newEndpoint(t, nil)
	one, other := webhook.NewSecret(goodSecret).Named("one"), webhook.NewSecret("the next secret").Named("other")
	orders := [][]webhook.Secret{{one, other}, {other, one}, {one, webhook.NewSecret("a third").Named("third"), other}}
	if err := e.SetSecrets(orders[0]...); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var rotating sync.WaitGroup
	rotating.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := e.SetSecrets(orders[i%len(orders)]...); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var arriving sync.WaitGroup
	for range 4 {
		arriving.Go(func() {
			for range 100 {
				for _, secret := range []webhook.Secret{one, other} {
					event, err := e.Verify(plainSigned(secret.Reveal(), time.Now(), `{"id":"1"}`))
					if err != nil || event.Proof.KeyID != secret.ID() {
						t.Errorf("signed by %s: %+v, %v", secret.ID(), event.Proof, err)
					}
				}
				if _, err := e.Verify(plainSigned("nobody's", time.Now(), `{"id":"1"}`)); !errors.Is(err, webhook.ErrSignature) {
					t.Errorf("signed by nobody: %v", err)
				}
			}
		})
	}
	arriving.Wait()
	close(stop)
	rotating.Wait()
}

func TestSetSecretsRotates(t *testing.T) {
	e := newEndpoint(t, nil)
	check := func(secret string) error {
		body := `{"id":"1"}`
		return e.Check(plainSigned(secret, time.Now(), body), []byte(body))
	}
	if err := check("the next secret"); !errors.Is(err, webhook.ErrSignature) {
		t.Fatalf("before rotation: %v, want ErrSignature", err)
	}
	if err := e.SetSecrets(webhook.NewSecret("the next secret").Named("2026-12"), webhook.NewSecret(goodSecret).Named("2026-11")); err != nil {
		t.Fatal(err)
	}
	for i, secret := range []string{"the next secret", goodSecret} {
		event, err := e.Verify(plainSigned(secret, time.Now(), `{"id":"1"}`))
		if err != nil {
			t.Fatalf("during rotation: %v", err)
		}
		if want := []string{"2026-12", "2026-11"}[i]; event.Proof.Secret != i || event.Proof.KeyID != want {
			t.Errorf("Proof = %+v, want index %d and id %s", event.Proof, i, want)
		}
	}
	if err := e.SetSecrets(); err == nil {
		t.Fatal("SetSecrets accepted no secret at all")
	}
	if err := e.SetSecrets(webhook.Secret{}); err == nil {
		t.Fatal("SetSecrets accepted an empty secret")
	}
	if err := check(goodSecret); err != nil {
		t.Fatalf("a refused SetSecrets changed the secrets: %v", err)
	}
	if err := e.SetSecrets(webhook.NewSecret("the next secret")); err != nil {
		t.Fatal(err)
	}
	if err := check(goodSecret); !errors.Is(err, webhook.ErrSignature) {
		t.Fatalf("after rotation the old secret gives %v, want ErrSignature", err)
	}
}

func TestTheSchemeGetsThePublicURL(t *testing.T) {
	var setup webhook.Setup
	e := newEndpoint(t, func(c *webhook.Config) {
		c.Scheme = recording{c.Scheme, &setup}
		c.PublicURL, c.Tolerance = "https://app.example/hooks?a=1", time.Minute
	})
	if setup.PublicURL.String() != "https://app.example/hooks?a=1" || setup.Tolerance != time.Minute || setup.Client == nil || setup.Secrets != nil {
		t.Errorf("Setup = %+v", setup)
	}
	if err := e.SetSecrets(webhook.NewSecret("next")); err != nil {
		t.Fatal(err)
	}
	if setup.PublicURL == nil || setup.Tolerance != time.Minute || len(setup.Secrets) != 1 {
		t.Errorf("Setup at rotation = %+v", setup)
	}
}

func TestTheSchemeGetsAClientThatFollowsNoRedirect(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		given *http.Client
		want  http.Client
	}{
		"the package's own":  {nil, http.Client{}},
		"one that would":     {http.DefaultClient, http.Client{}},
		"one with a timeout": {&http.Client{Transport: http.DefaultTransport, Timeout: time.Second, Jar: jar}, http.Client{Transport: http.DefaultTransport, Timeout: time.Second}},
	} {
		var setup webhook.Setup
		newEndpoint(t, func(c *webhook.Config) { c.Scheme, c.Client = recording{c.Scheme, &setup}, row.given })
		got := setup.Client
		if err := got.CheckRedirect(nil, nil); !errors.Is(err, http.ErrUseLastResponse) {
			t.Errorf("%s: a redirect gives %v", name, err)
		}
		if got.Transport != row.want.Transport || got.Timeout != row.want.Timeout || got.Jar != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// recording notes what its Prepare is given.
type recording struct {
	webhook.Scheme
	setup *webhook.Setup
}

func (s recording) Prepare(setup webhook.Setup) (webhook.Verifier, error) {
	*s.setup = setup
	return s.Scheme.Prepare(setup)
}
