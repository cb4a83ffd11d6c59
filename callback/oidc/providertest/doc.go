// Package providertest signs in at real OpenID providers, to hold package oidc against what others have built: panva's certified
// oidc-provider, dex and zitadel's. It also drives the program examples/oidclogin in Chromium, in two tabs and behind a TLS front, and has
// axe-core judge its pages. It is a module of its own so that their dependencies stay out of the library's.
//
// It is not in the workspace, whose other modules would then download those dependencies too. Run it from its folder:
//
//	GOWORK=off go test ./...
//
// Its tests install panva's provider and axe-core with npm once, into the user's cache folder, and are skipped where there is no node or no
// Chromium. LOGIN_SCREENSHOTS names a folder for pictures of the pages.
package providertest
