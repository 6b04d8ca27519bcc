package dryrun

// Compare is how Run compares outputs.
func Compare(recorded, current []Output) Status {
	return Result{Diffs: compare(recorded, current)}.Status()
}
