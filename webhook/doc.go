// Package webhook receives signed events: it bounds, verifies and deduplicates each delivery, and hands it to one function.
package webhook
