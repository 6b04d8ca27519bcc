package dryrun

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"
)

// Status says how what is published now compares with what was published then.
type Status string

// The statuses of lines and results.
const (
	Same    Status = "same"
	Changed Status = "changed" // on the same subject, but something else
	Missing Status = "missing" // it is no longer published
	New     Status = "new"     // it was not published then
	// Unproven is what may have been then too and left no trace: a timer, which may have
	// been cancelled or replaced before it fired, and what a subscription FromFirst
	// writes, which is stored for many events at once. It is no difference.
	Unproven Status = "unproven"
	// Excluded is a result that cannot be compared; see Result.Excluded.
	Excluded Status = "excluded"
)

// dueTolerance is how far apart two timers may fire and be the same: they fire
// to the second.
const dueTolerance = 2 * time.Second

// Diff is one output then and now; one of the two may be nil.
type Diff struct {
	Status   Status  `json:"status"`
	Recorded *Output `json:"said"`
	Current  *Output `json:"now"`
}

// Status is Same when nothing differs, Missing or New when that is all that
// does, Excluded when something does that cannot be compared, and else Changed.
func (r Result) Status() Status {
	status := r.compared()
	if status != Same && r.Excluded != "" {
		return Excluded
	}
	return status
}

func (r Result) compared() Status {
	status := Same
	for _, l := range r.Diffs {
		switch {
		case l.Status == Same || l.Status == Unproven || l.Status == status:
		case status == Same:
			status = l.Status
		default:
			status = Changed
		}
	}
	return status
}

// compare puts the outputs side by side: first those that are the same, and then,
// between these, those on the same subject. Writes come after what is published, as they
// are stored in another stream, and then timers, which are stored in the order in which
// they fire.
func compare(recorded, current []Output) []Diff {
	recordedNow, recordedWrites, recordedLater := split(recorded)
	currentNow, currentWrites, currentLater := split(current)
	return slices.Concat(align(recordedNow, currentNow), align(recordedWrites, currentWrites), align(recordedLater, currentLater))
}

// split separates the outputs that are published at once from writes and timers.
func split(outputs []Output) (now, written, later []Output) {
	for _, o := range outputs {
		switch {
		case isWrite(o.Subject):
			written = append(written, o)
		case o.Due.IsZero():
			now = append(now, o)
		default:
			later = append(later, o)
		}
	}
	slices.SortStableFunc(later, func(a, b Output) int { return a.Due.Compare(b.Due) })
	return now, written, later
}

// align pairs outputs in their order, each with the first that is the same. An event
// has few outputs: a longest common subsequence would find more pairs only where several
// changed places.
func align(recorded, current []Output) []Diff {
	var diffs []Diff
	i, j := 0, 0 // the first that are not aligned
	for k := range current {
		at := slices.IndexFunc(recorded[i:], func(o Output) bool { return same(o, current[k]) })
		if at < 0 {
			continue
		}
		diffs = append(diffs, differing(recorded[i:i+at], current[j:k])...)
		diffs = append(diffs, Diff{Same, &recorded[i+at], &current[k]})
		i, j = i+at+1, k+1
	}
	return append(diffs, differing(recorded[i:], current[j:])...)
}

// differing pairs outputs that are not the same by their subject.
func differing(recorded, current []Output) []Diff {
	var diffs []Diff
	used := make([]bool, len(current))
	for i := range recorded {
		d := Diff{Status: Missing, Recorded: &recorded[i]}
		for j := range current {
			if !used[j] && current[j].Subject == recorded[i].Subject {
				used[j], d.Status, d.Current = true, Changed, &current[j]
				break
			}
		}
		diffs = append(diffs, d)
	}
	for j := range current {
		switch {
		case used[j]:
		case current[j].Due.IsZero() && !(current[j].past && isWrite(current[j].Subject)):
			diffs = append(diffs, Diff{Status: New, Current: &current[j]})
		default:
			diffs = append(diffs, Diff{Status: Unproven, Current: &current[j]})
		}
	}
	return diffs
}

// withoutWrites makes no difference of writes: those of then are not known.
func withoutWrites(diffs []Diff) []Diff {
	for i, d := range diffs {
		if d.Status == New && isWrite(d.Current.Subject) {
			diffs[i].Status = Unproven
		}
	}
	return diffs
}

func same(a, b Output) bool {
	return a.Subject == b.Subject && a.Due.IsZero() == b.Due.IsZero() && a.Due.Sub(b.Due).Abs() <= dueTolerance &&
		(bytes.Equal(a.Data, b.Data) || reflect.DeepEqual(exact(a.Data), exact(b.Data)))
}

// exact reads JSON with its numbers as they are written.
func exact(raw json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(raw)
	}
	return v
}
