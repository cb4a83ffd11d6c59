// Package leaf breaks rules on purpose.
package leaf

import (
	_ "github.com/gatehouse-go/gatehouse/internal/problem"
	_ "github.com/gatehouse-go/gatehouse/security"
)
