package trial

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/plugins/moderation/automod"
)

// Row is what a rule did, or what was done to a user.
type Row struct {
	Name  string   `json:"name"`
	Hits  int      `json:"hits"`
	Users int      `json:"users,omitempty"` // of a rule
	Right int      `json:"right"`           // a moderator acted, too
	False int      `json:"false"`           // no moderator did
	Rules []string `json:"rules,omitempty"` // of a user
	Last  string   `json:"last,omitempty"`  // the last step against a user
	Text  string   `json:"text,omitempty"`  // the first line of a user
}

func (r *Row) add(h Hit) {
	if r.Hits++; h.Acted != "" {
		r.Right++
	} else {
		r.False++
	}
}

// ByRule returns what each rule did, in the order in which they are tried.
func (r Report) ByRule() (rows []Row) {
	for _, rule := range automod.RuleNames() {
		row, users := Row{Name: rule}, map[string]bool{}
		for _, h := range r.Hits {
			if h.Rule == rule {
				row.add(h)
				users[strings.ToLower(h.User)] = true
			}
		}
		if row.Users = len(users); row.Hits > 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// ByUser returns who was hit, the most often first.
func (r Report) ByUser() []Row {
	users := map[string]*Row{}
	for _, h := range r.Hits {
		row := users[strings.ToLower(h.User)]
		if row == nil {
			row = &Row{Name: h.User, Text: h.Text}
			users[strings.ToLower(h.User)] = row
		}
		row.add(h)
		row.Last = h.Step
		if !slices.Contains(row.Rules, h.Rule) {
			row.Rules = append(row.Rules, h.Rule)
		}
	}
	rows := make([]Row, 0, len(users))
	for _, row := range slices.SortedFunc(maps.Values(users), func(a, b *Row) int {
		return cmp.Or(b.Hits-a.Hits, strings.Compare(a.Name, b.Name))
	}) {
		rows = append(rows, *row)
	}
	return rows
}

// Missed counts the acts of moderators that no rule foresaw.
func (r Report) Missed() (n int) {
	for _, a := range r.Acts {
		if !a.Hit {
			n++
		}
	}
	return n
}

// False counts the hits that no moderator agrees with.
func (r Report) False() (n int) {
	for _, h := range r.Hits {
		if h.Acted == "" {
			n++
		}
	}
	return n
}
