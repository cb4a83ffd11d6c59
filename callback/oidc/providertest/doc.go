// Package providertest signs in at real OpenID providers, to hold package oidc against what others have built: panva's certified
// oidc-provider, dex and zitadel's. It is a module of its own so that their dependencies stay out of the library's.
//
// It is not in the workspace, whose other modules would then download those dependencies too. Run it from its folder:
//
//	GOWORK=off go test ./...
//
// Its tests install panva's provider with npm once, into the user's cache folder, and are skipped where there is no node.
package providertest
