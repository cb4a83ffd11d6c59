//go:build race

package proxy_test

// raceDetector is true where the detector runs: sync.Pool then drops values at random, so allocations cannot be counted.
const raceDetector = true
