// Package security breaks rules on purpose.
package security

import (
	_ "github.com/gatehouse-go/gatehouse/examples"
	_ "github.com/justinas/alice"
	_ "github.com/maypok86/otter/v2"
)
