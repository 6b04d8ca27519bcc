//go:build unix && !linux

package process

import "syscall"

// attributes make a process the first of a group.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
