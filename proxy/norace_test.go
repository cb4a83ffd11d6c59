//go:build !race

package proxy_test

// raceDetector is false: what a sync.Pool holds stays.
const raceDetector = false
