package event

import (
	"fmt"
	"strings"

	"github.com/rosey-bot/rosey/internal/rawjson"
)

// Priority is an event's priority (contract: Priority).
type Priority int

// The contract's priorities.
const (
	Low Priority = iota
	Normal
	High
	Critical
)

var priorityNames = [...]string{"LOW", "NORMAL", "HIGH", "CRITICAL"}

// String returns the contract's name of the priority.
func (p Priority) String() string {
	if p < Low || p > Critical {
		return fmt.Sprintf("Priority(%d)", int(p))
	}
	return priorityNames[p]
}

// UnmarshalJSON reads 0 to 3 or a name in any case.
func (p *Priority) UnmarshalJSON(raw []byte) error {
	if kindOf(raw) == "a string" {
		name := string(rawjson.Text(raw))
		for i, n := range priorityNames {
			if strings.EqualFold(n, name) {
				*p = Priority(i)
				return nil
			}
		}
	}
	if n, err := integer(raw); err == nil && n >= int64(Low) && n <= int64(Critical) {
		*p = Priority(n)
		return nil
	}
	return fmt.Errorf("must be 0 to 3 or one of %s, not %s", strings.Join(priorityNames[:], ", "), raw)
}
