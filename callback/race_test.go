//go:build race

package callback_test

// raceDetector is true where the detector runs: sync.Pool then drops what it holds at random, so allocations cannot be counted.
const raceDetector = true
