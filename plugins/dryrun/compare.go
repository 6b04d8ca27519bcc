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
	// Unproven is a timer that is set now and left no trace: it may have been set
	// then too, and cancelled or replaced before it fired. It is no difference.
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
// between these, those on the same subject. Timers come after everything else,
// as they are stored in the order in which they fire.
func compare(said, now []Output) []Diff {
	saidNow, saidLater := split(said)
	nowNow, nowLater := split(now)
	return append(align(saidNow, nowNow), align(saidLater, nowLater)...)
}

func split(outputs []Output) (now, later []Output) {
	for _, o := range outputs {
		if o.Due.IsZero() {
			now = append(now, o)
		} else {
			later = append(later, o)
		}
	}
	slices.SortStableFunc(later, func(a, b Output) int { return a.Due.Compare(b.Due) })
	return now, later
}

func align(said, now []Output) []Diff {
	var lines []Diff
	i, j := 0, 0
	for _, pair := range common(said, now) {
		lines = append(lines, differing(said[i:pair[0]], now[j:pair[1]])...)
		lines = append(lines, Diff{Same, &said[pair[0]], &now[pair[1]]})
		i, j = pair[0]+1, pair[1]+1
	}
	return append(lines, differing(said[i:], now[j:])...)
}

func differing(said, now []Output) []Diff {
	var lines []Diff
	used := make([]bool, len(now))
	for i := range said {
		l := Diff{Status: Missing, Recorded: &said[i]}
		for j := range now {
			if !used[j] && now[j].Subject == said[i].Subject {
				used[j], l.Status, l.Current = true, Changed, &now[j]
				break
			}
		}
		lines = append(lines, l)
	}
	for j := range now {
		if used[j] {
			continue
		}
		l := Diff{Status: New, Current: &now[j]}
		if !now[j].Due.IsZero() {
			l.Status = Unproven
		}
		lines = append(lines, l)
	}
	return lines
}

// common is a longest common subsequence, as pairs of indexes.
func common(a, b []Output) [][2]int {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if same(a[i], b[j]) {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case same(a[i], b[j]):
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
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
