// Package webhook breaks rules on purpose.
package webhook

import (
	_ "github.com/google/go-cmp/cmp"
)
