package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// steppedBy is how many ns the wall clock is off: what the file has that
// ROSEY_CLOCK names.
var steppedBy = func() *int64 {
	name, ok := syscall.Getenv("ROSEY_CLOCK")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("ROSEY_CLOCK: " + err.Error())
	}
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("ROSEY_CLOCK: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&b[0]))
}()

func step(sec int64, nsec int32) (int64, int32) {
	if steppedBy == nil {
		return sec, nsec
	}
	ns := int64(nsec) + atomic.LoadInt64(steppedBy)
	sec += ns / 1e9
	if ns %= 1e9; ns < 0 {
		ns += 1e9
		sec--
	}
	return sec, int32(ns)
}
