//go:build linux || darwin

package embedded

import "golang.org/x/sys/unix"

// DiskSpace is how many bytes a directory's disk has, and has free for this
// user. Both are 0 where that cannot be told.
func DiskSpace(dir string) (free, total uint64) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, 0
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)
}
