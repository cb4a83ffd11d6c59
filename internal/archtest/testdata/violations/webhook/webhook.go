// Package webhook breaks rules on purpose.
package webhook

import (
	_ "github.com/gatehouse-go/gatehouse"
	_ "github.com/gatehouse-go/gatehouse/proxy"
	_ "github.com/gatehouse-go/gatehouse/webhook/internal/x"
	_ "github.com/gatehouse-go/gatehouse/webhook/provider"
)
