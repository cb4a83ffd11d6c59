package main

import (
	"os"
	"syscall"
)

// datasync has the disk keep what was written to f.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
