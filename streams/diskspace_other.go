//go:build !linux && !darwin

package streams

// DiskSpace cannot be told here.
func DiskSpace(string) (free, total uint64) { return 0, 0 }
