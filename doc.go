// Package gatehouse bundles handlers for one resource into one http.Handler that answers every HTTP method correctly.
package gatehouse
