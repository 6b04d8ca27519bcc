//go:build unix

package process

import (
	"os"
	"syscall"
)

// terminateGroup asks a process and those of its group to end.
func terminateGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends the processes of a group, if there are any.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
