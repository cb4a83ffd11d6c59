// Package oidc breaks rules on purpose.
package oidc

import (
	_ "fmt"
	_ "github.com/gatehouse-go/gatehouse/callback"
	_ "github.com/justinas/alice"
	_ "github.com/redis/rueidis"
	_ "golang.org/x/oauth2"
)
