package testpostgres

import "syscall"

// endWithParent has a process told to end at once when the thread that began it does.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
