//go:build !race

package jsregexp_test

// raceDetector is false: what a sync.Pool holds stays.
const raceDetector = false
