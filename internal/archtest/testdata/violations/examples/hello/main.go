// Package hello breaks rules on purpose.
package hello

import (
	_ "github.com/anything/goes"
	_ "github.com/gatehouse-go/gatehouse/internal/problem"
	_ "github.com/gatehouse-go/gatehouse/webhook"
)
