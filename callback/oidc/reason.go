package oidc

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse/callback"
)

// Reasons for which a login is refused, besides those of package callback.
var (
	// ErrProvider refuses a login at a provider that is not configured. Status 400.
	ErrProvider error = &callback.Reason{
		Text: "callback/oidc: no such provider", Status: http.StatusBadRequest,
		Title: "Choose how to sign in",
		Cause: "The link does not say where to sign in, or names a service that we do not use. Begin again.",
	}

	// ErrUnreachable is for a provider that cannot be reached, or fails. Status 503.
	ErrUnreachable error = &callback.Reason{
		Text: "callback/oidc: provider cannot be reached", Status: http.StatusServiceUnavailable,
		Title: "The sign-in service does not answer",
		Cause: "It was not your doing. Try again in a moment.",
	}

	// ErrIssuer refuses a response that another provider sent, or that does not say who sent it where it should (RFC 9207). Status 403.
	ErrIssuer error = untrusted("callback/oidc: response comes from another issuer, or does not say from which")

	// ErrIDToken refuses an ID token that is missing or fails a check of OpenID Connect Core 1.0, section 3.1.3.7. Status 403.
	ErrIDToken error = untrusted("callback/oidc: ID token is missing or not valid")

	// ErrUserInfo refuses claims of the userinfo endpoint that are about somebody else (section 5.3.2). Status 403.
	ErrUserInfo error = untrusted("callback/oidc: userinfo is not about the subject of the ID token")

	// ErrCode is for a code that the provider does not redeem: used, expired, or bound to another login. Status 400.
	ErrCode error = &callback.Reason{
		Text: "callback/oidc: provider did not redeem the code", Status: http.StatusBadRequest,
		Title: "This sign-in cannot be finished",
		Cause: "It took too long, or was finished before. Begin again.",
	}

	// ErrInteraction is for a login without interaction (prompt=none) that would have needed some. Status 401.
	ErrInteraction error = &callback.Reason{
		Text: "callback/oidc: provider needs the person to act", Status: http.StatusUnauthorized,
		Title: "You need to sign in",
		Cause: "The sign-in service wants you to act before it lets you in. Begin again.",
	}

	// ErrNoRefresh is for tokens that cannot be renewed: the person signs in again. Status 401.
	ErrNoRefresh error = &callback.Reason{
		Text: "callback/oidc: tokens cannot be refreshed", Status: http.StatusUnauthorized,
		Title: "You need to sign in again",
		Cause: "Your sign-in has ended at the sign-in service. Sign in to go on.",
	}

	// ErrLogoutToken refuses a logout token that fails a check of OpenID Connect Back-Channel Logout 1.0, section 2.6. Status 400.
	ErrLogoutToken error = &callback.Reason{
		Text: "callback/oidc: logout token is missing or not valid", Status: http.StatusBadRequest,
		Title: "Logout refused", Cause: "The logout token is missing or not valid.",
	}

	// ErrLogoutStore is for a provider's logout where sessions have no Store to end them in. Status 501.
	ErrLogoutStore error = &callback.Reason{
		Text: "callback/oidc: sessions have no Store, so a provider cannot end them", Status: http.StatusNotImplemented,
		Title: "Logout is not possible", Cause: "This application cannot end a session from the provider's side.",
	}
)

func untrusted(text string) *callback.Reason {
	return &callback.Reason{
		Text: text, Status: http.StatusForbidden,
		Title: "We could not verify this sign-in",
		Cause: "The answer of the sign-in service did not pass our checks, so you are not signed in. Begin again; if it happens again, tell us.",
	}
}
