package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime reads the CPU clock of a process, which counts in nanoseconds what getrusage tells of a process once it has ended
// (clock_getcpuclockid(3)): /proc counts in hundredths of a second only.
func processTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED: user and system time together
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &now); err != nil { //nolint:gosec // a pid has 22 bits
		return 0, err
	}
	return time.Duration(now.Nano()), nil
}
