package automod

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
)

// Line is a line of chat.
type Line struct {
	Ref   event.Ref
	At    time.Time
	User  string
	Rank  int
	Text  string
	First time.Time // when the user was here first, zero if that is not known
}

// Names of rules, as a Verdict has them.
const (
	RuleFlood  = "flood"
	RuleRepeat = "repeat"
	RuleCaps   = "caps"
	RuleLinks  = "links"
	RuleWords  = "words"
	RuleRaid   = "raid"
)

// RuleNames lists the rules, in the order in which they are tried.
func RuleNames() []string {
	return []string{RuleRaid, RuleWords, RuleLinks, RuleFlood, RuleRepeat, RuleCaps}
}

// Verdict says which rule a line breaks. The zero Verdict is of one that breaks none.
type Verdict struct {
	Rule string
	// Why it is broken: how many lines, times, users, or percent of Letters; the word or host.
	Count, Letters int
	Within         time.Duration
	What           string

	Lines []event.Ref // that broke it together, the judged one last
	Step  *Step       // what is done, where that does not depend on earlier breaches
}

// Vocabulary is what does not count as text: the channel's emotes, as they are written, and
// the names of who is there, in lower case.
type Vocabulary struct{ Emotes, Names map[string]bool }

// Judge judges the lines of a channel, which it is to be given in their order.
type Judge struct {
	recent  map[string][]said // by user, in lower case
	said    []said            // of all
	first   []time.Time       // visits of users who were never here before
	until   time.Time         // of the raid
	began   time.Time
	cleared time.Time
}

// said is a line that may still count.
type said struct {
	Line
	key string // texts that are the same have one
}

// Join takes the visit of a user who was never here before. It reports whether that begins a
// raid.
func (j *Judge) Join(r *Rules, at time.Time) (raid bool) {
	if r.RaidJoins == 0 {
		return false
	}
	j.first = append(slices.DeleteFunc(j.first, func(t time.Time) bool { return at.Sub(t) > r.RaidTime }), at)
	if len(j.first) < r.RaidJoins {
		return false
	}
	if raid = !at.Before(j.until); raid {
		j.began = j.first[0]
	}
	j.until = at.Add(r.RaidFor)
	return raid
}

// Raid returns until when the channel is raided, the zero Time if it is not.
func (j *Judge) Raid(at time.Time) time.Time {
	if at.Before(j.until) {
		return j.until
	}
	return time.Time{}
}

// Judge judges a line. It calls known, at most once, only where emotes and names matter.
func (j *Judge) Judge(r *Rules, l Line, known func() Vocabulary) Verdict {
	if l.Rank >= r.ExemptRank {
		return Verdict{}
	}
	text := fold.Plain(l.Text)
	now := said{l, fold.Key(strings.Join(strings.Fields(text), " "))}
	own := j.keep(r, now)
	words := &stripped{text: text, known: known}
	for _, rule := range []func() Verdict{
		func() Verdict { return j.raid(r, now, words) },
		func() Verdict { return r.words(text) },
		func() Verdict { return r.links(l, text) },
		func() Verdict { return r.flood(l, own) },
		func() Verdict { return r.repeated(now, own, words) },
		func() Verdict { return r.capitals(words) },
	} {
		if v := rule(); v.Rule != "" {
			if len(v.Lines) == 0 {
				v.Lines = []event.Ref{l.Ref}
			}
			delete(j.recent, strings.ToLower(l.User)) // they broke a rule once
			return v
		}
	}
	return Verdict{}
}

// keep adds a line to those that count, and returns its user's.
func (j *Judge) keep(r *Rules, now said) []said {
	old := now.At.Add(-max(r.FloodTime, r.RepeatTime))
	forget := func(s said) bool { return s.At.Before(old) }
	if j.recent == nil {
		j.recent = map[string][]said{}
	}
	if now.At.Sub(j.cleared) > time.Minute { // of users who are silent
		j.cleared = now.At
		for user, lines := range j.recent {
			if forget(lines[len(lines)-1]) {
				delete(j.recent, user)
			}
		}
	}
	user := strings.ToLower(now.User)
	j.recent[user] = append(slices.DeleteFunc(j.recent[user], forget), now)
	if r.RaidRepeat > 0 {
		j.said = append(slices.DeleteFunc(j.said, forget), now)
	}
	return j.recent[user]
}

func (r *Rules) isNew(l Line) bool {
	return r.NewFor > 0 && !l.First.IsZero() && l.At.Sub(l.First) < r.NewFor
}

func (j *Judge) raid(r *Rules, now said, words *stripped) Verdict {
	if now.At.Before(j.until) && !now.First.IsZero() && !now.First.Before(j.began) {
		return Verdict{Rule: RuleRaid, Step: &r.raidStep}
	}
	if r.RaidRepeat == 0 || now.key == "" {
		return Verdict{}
	}
	v := Verdict{Rule: RuleRaid, Step: &r.raidStep, Within: r.RepeatTime}
	users := map[string]bool{}
	for _, s := range j.said {
		if s.key == now.key && now.At.Sub(s.At) <= r.RepeatTime {
			users[strings.ToLower(s.User)] = true
			v.Lines = append(v.Lines, s.Ref)
		}
	}
	if len(users) < r.RaidRepeat || words.String() == "" {
		return Verdict{}
	}
	v.Count = len(users)
	return v
}

func (r *Rules) words(text string) Verdict {
	if len(r.deny) == 0 {
		return Verdict{}
	}
	for _, allow := range r.allow {
		text = allow.ReplaceAllString(text, " ")
	}
	for i, deny := range r.deny {
		if deny.MatchString(text) {
			return Verdict{Rule: RuleWords, What: r.DenyWords[i]}
		}
	}
	return Verdict{}
}

func (r *Rules) links(l Line, text string) Verdict {
	host, ok := r.forbidden(text, r.isNew(l))
	if !ok {
		return Verdict{}
	}
	return Verdict{Rule: RuleLinks, What: host}
}

func (r *Rules) flood(l Line, own []said) Verdict {
	lines := refs(own, func(s said) bool { return l.At.Sub(s.At) < r.FloodTime })
	if r.FloodLines == 0 || len(lines) < r.FloodLines {
		return Verdict{}
	}
	return Verdict{Rule: RuleFlood, Lines: lines, Count: len(lines), Within: r.FloodTime}
}

func (r *Rules) repeated(now said, own []said, words *stripped) Verdict {
	same := refs(own, func(s said) bool { return s.key == now.key && now.At.Sub(s.At) < r.RepeatTime })
	if r.Repeat == 0 || len(same) < r.Repeat || isCommand(now.key) || words.String() == "" {
		return Verdict{}
	}
	return Verdict{Rule: RuleRepeat, Lines: same, Count: len(same), Within: r.RepeatTime}
}

// isCommand reports whether a line is a command of a bot, which has cooldowns.
func isCommand(key string) bool {
	return len(key) > 1 && key[0] == '!' && key[1] > ' ' && key[1] != '!'
}

func refs(lines []said, which func(said) bool) (found []event.Ref) {
	for _, s := range lines {
		if which(s) {
			found = append(found, s.Ref)
		}
	}
	return found
}

func (r *Rules) capitals(words *stripped) Verdict {
	if r.Caps == 0 || !r.shouts(words.text) || !r.shouts(words.String()) {
		return Verdict{}
	}
	upper, letters := capitals(words.String())
	return Verdict{Rule: RuleCaps, Count: 100 * upper / letters, Letters: letters}
}

func (r *Rules) shouts(text string) bool {
	upper, letters := capitals(text)
	return letters >= max(r.CapsLetters, 1) && 100*upper >= r.Caps*letters
}

// capitals counts the capitals and the letters of a text. Letters of scripts without case
// are none.
func capitals(text string) (upper, letters int) {
	for _, c := range text {
		switch {
		case unicode.IsUpper(c):
			upper, letters = upper+1, letters+1
		case unicode.IsLower(c):
			letters++
		}
	}
	return upper, letters
}

// stripped is a text without emotes, names and links.
type stripped struct {
	text  string
	known func() Vocabulary
	rest  *string
}

func (s *stripped) String() string {
	if s.rest == nil {
		var v Vocabulary
		if s.known != nil {
			v = s.known()
		}
		var kept []string
		for word := range strings.FieldsSeq(s.text) {
			if !v.Emotes[word] && !v.Names[strings.ToLower(strings.TrimFunc(word, aroundName))] && !isLink(word) {
				kept = append(kept, word)
			}
		}
		rest := strings.Join(kept, " ")
		s.rest = &rest
	}
	return *s.rest
}

// aroundName reports whether a character may stand beside a name.
func aroundName(r rune) bool { return r == '@' || strings.ContainsRune(openers+closers, r) }
