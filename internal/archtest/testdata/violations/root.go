// Package root breaks rules on purpose.
package root

import (
	_ "github.com/gatehouse-go/gatehouse/internal/problem"
	_ "github.com/gatehouse-go/gatehouse/proxy"
	_ "golang.org/x/net/html"
	_ "net/http"
)
