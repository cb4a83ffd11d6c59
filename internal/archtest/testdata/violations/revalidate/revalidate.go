// Package revalidate breaks rules on purpose.
package revalidate

import (
	_ "github.com/gatehouse-go/gatehouse/engines/redis"
	_ "github.com/gatehouse-go/gatehouse/internal/problem"
)
