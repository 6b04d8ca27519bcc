//go:build !linux && !darwin

package embedded

// DiskSpace cannot be told here.
func DiskSpace(string) (free, total uint64) { return 0, 0 }
