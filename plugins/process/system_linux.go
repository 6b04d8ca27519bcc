package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attributes make a process the first of a group, which ends with this process however
// that ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killMarked looks again for what was started meanwhile, and gives up on what cannot die.
const (
	killRounds = 100
	killWait   = 10 * time.Millisecond
)

// killMarked kills the processes of a command that are left, also those that left its
// process group, and returns how many there were.
func killMarked(id string) (killed int) {
	mark := []byte(IDVariable + "=" + id)
	for range killRounds {
		found := 0
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range environments {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			text, err := os.ReadFile(path) // not readable: of another user, or gone
			if err != nil || pid == os.Getpid() || !hasVariable(text, mark) {
				continue
			}
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				found++
			}
		}
		if found == 0 {
			break
		}
		killed = max(killed, found)
		time.Sleep(killWait)
	}
	return killed
}

func hasVariable(environment, pair []byte) bool {
	for variable := range bytes.SplitSeq(environment, []byte{0}) {
		if bytes.Equal(variable, pair) {
			return true
		}
	}
	return false
}

// limitMemory limits what a process, and each that it starts, may allocate. An
// address-space limit would keep Node.js from starting, which reserves gigabytes that it
// never uses: RLIMIT_DATA counts what can be written to.
func limitMemory(pid int, limit int64) error {
	most := &unix.Rlimit{Cur: uint64(limit), Max: uint64(limit)}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, most, nil); err != nil {
		return fmt.Errorf("limit its memory: %w", err)
	}
	return nil
}

// memoryOf returns how many bytes of memory a process and its descendants use.
func memoryOf(pid int) (total int64) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	if fields := bytes.Fields(statm); len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		total = pages * int64(os.Getpagesize())
	}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range children {
		list, _ := os.ReadFile(path)
		for child := range bytes.FieldsSeq(list) {
			if n, err := strconv.Atoi(string(child)); err == nil {
				total += memoryOf(n)
			}
		}
	}
	return total
}
