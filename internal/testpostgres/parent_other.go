//go:build unix && !linux

package testpostgres

import "syscall"

func endWithParent(*syscall.SysProcAttr) {}
