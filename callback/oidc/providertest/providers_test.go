package providertest_test

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	dexserver "github.com/dexidp/dex/server"
	"github.com/dexidp/dex/server/session"
	"github.com/dexidp/dex/server/signer"
	"github.com/dexidp/dex/server/tokens"
	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/memory"
	"github.com/dexidp/dex/web"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	zitadelstorage "github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var quiet = slog.New(slog.DiscardHandler)

// panva is oidc-provider, certified by the OpenID Foundation.
var panva = target{
	id: "app", secret: "secret-of-the-app", fill: url.Values{"login": {"ana"}, "password": {"x"}}, subject: "ana", endSession: "/session/end",
	start: func(t *testing.T, app string) string {
		t.Helper()
		folder := install(t, "oidc-provider", "oidc-provider-8.8.1", "testdata/panva/package.json", "testdata/panva/package-lock.json", "testdata/panva/provider.js")
		cmd := exec.CommandContext(t.Context(), "node", "provider.js")
		cmd.Dir = folder
		// The application's certificate is a test's: what the provider reports to it must not fail for that.
		cmd.Env = append(os.Environ(), "APP="+app, "NODE_TLS_REJECT_UNAUTHORIZED=0", "NODE_NO_WARNINGS=1")
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended it
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal("the provider did not start")
		}
		go func() { // until the process ends
			for lines.Scan() {
			}
		}()
		return lines.Text()
	},
}

// absent skips the test for want of what it names, or fails it where GATEHOUSE_REQUIRE_ENGINES is set.
func absent(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GATEHOUSE_REQUIRE_ENGINES") != "" {
		t.Fatal(what + ", and is required")
	}
	t.Skip(what)
}

// install installs a package of npm from its lock file, once, and returns the folder, to which it copies the files.
func install(t *testing.T, name, folder string, files ...string) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			absent(t, tool+" is not installed")
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		absent(t, err.Error())
	}
	folder = filepath.Join(cache, "gatehouse-providertest", folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		absent(t, err.Error())
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", name, "package.json")); err == nil {
		return folder
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = folder
	if out, err := npm.CombinedOutput(); err != nil {
		absent(t, "npm ci: "+err.Error()+": "+string(out))
	}
	return folder
}

// readAxe returns the script of axe-core, of the version that the console's tests lock.
func readAxe(t *testing.T) string {
	t.Helper()
	const locked = "../../../webhook/inbox/console/consoletest/testdata/axe/"
	folder := install(t, "axe-core", "axe-core-4.14.1", locked+"package.json", locked+"package-lock.json")
	script, err := os.ReadFile(filepath.Join(folder, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// dex is the identity service of the CNCF, in this process.
var dex = target{
	id: "app", secret: "secret-of-the-app", scopes: []string{"openid", "profile", "email", "offline_access"},
	fill: url.Values{"login": {"ana"}, "password": {"verysecure"}}, subject: "Cg0wLTM4NS0yODA4OS0wEgRtb2Nr",
	start: func(t *testing.T, app string) string {
		t.Helper()
		var handler http.Handler
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		store := memory.New(quiet)
		if err := store.CreateClient(t.Context(), storage.Client{
			ID: "app", Secret: "secret-of-the-app", RedirectURIs: []string{app + "/auth/callback"}, PostLogoutRedirectURIs: []string{app + "/"}, BackchannelLogoutURI: app + "/backchannel",
		}); err != nil {
			t.Fatal(err)
		}
		if err := store.CreateConnector(t.Context(), storage.Connector{ID: "mock", Type: "mockPassword", Name: "mock", Config: []byte(`{"username":"ana","password":"verysecure"}`)}); err != nil {
			t.Fatal(err)
		}
		keys, err := signer.NewMockSigner(nil)
		if err != nil {
			t.Fatal(err)
		}
		handler, err = dexserver.NewServer(t.Context(), dexserver.Config{
			Issuer: server.URL, Storage: store, SkipApprovalScreen: true, RefreshTokenPolicy: tokens.NewRefreshStrategy(true, 0, 0, 0, nil), Signer: keys, Logger: quiet, Web: dexserver.WebConfig{WebFS: web.FS()},
			SessionConfig: &session.Config{CookieName: "dex_session", CookieEncryptionKey: []byte("0123456789abcdef0123456789abcdef"), AbsoluteLifetime: time.Hour, ValidIfNotUsedFor: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		return server.URL
	},
}

// zitadel is the example provider of zitadel's library, in this process.
var zitadel = target{
	id: "web", secret: "secret", scopes: []string{"openid", "profile", "email", "offline_access"},
	fill: url.Values{"username": {"test-user2"}, "password": {"verysecure"}}, subject: "id2",
	start: func(t *testing.T, app string) string {
		t.Helper()
		var handler http.Handler
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		issuer := server.URL + "/"
		zitadelstorage.RegisterClients(zitadelstorage.WebClient("web", "secret", app+"/auth/callback"))
		store := zitadelstorage.NewStorage(zitadelstorage.NewUserStore(issuer))
		handler = exampleop.SetupServer(issuer, zitadelStore{store, app + "/"}, nil, false, op.WithAllowInsecure(), op.WithLogger(quiet))
		return issuer
	},
}

// zitadelStore is the example's storage, whose clients are registered with no place to return to after a logout.
type zitadelStore struct {
	*zitadelstorage.Storage
	afterLogout string
}

func (s zitadelStore) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.Storage.GetClientByClientID(ctx, id)
	return zitadelClient{client, s.afterLogout}, err
}

type zitadelClient struct {
	op.Client
	afterLogout string
}

func (c zitadelClient) PostLogoutRedirectURIs() []string { return []string{c.afterLogout} }
