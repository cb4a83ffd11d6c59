//go:build race

package provider_test

// raceDetector is true where the detector runs: sync.Pool then drops states at random, so allocations cannot be counted.
const raceDetector = true
