// Package oidc breaks rules on purpose.
package oidc

import (
	_ "fmt"
	_ "github.com/gatehouse-go/gatehouse/callback"
	_ "github.com/redis/rueidis"
	_ "golang.org/x/crypto/chacha20poly1305"
	_ "golang.org/x/oauth2"
)
