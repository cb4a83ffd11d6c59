//go:build race

package security_test

// raceEnabled says that the race detector runs, under which pools drop values at random.
const raceEnabled = true
