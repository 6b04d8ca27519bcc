//go:build !linux && !darwin

package main

// diskSpace cannot be told here.
func diskSpace(string) (free, total uint64) { return 0, 0 }
