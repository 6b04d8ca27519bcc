//go:build linux || darwin

package embedded

import "golang.org/x/sys/unix"

// DiskSpace returns how many bytes of a directory's disk are free for this user, and how
// many it has. Both are 0 where that cannot be determined.
func DiskSpace(dir string) (free, total uint64) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, 0
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)
}
