package diceroller

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/fold"
	"github.com/rosey-bot/rosey/plugins"
)

// Limits of an expression.
const (
	MaxDice  = 100    // in all terms together
	MaxSides = 10_000 // of one die
	MaxTerms = 10
	MaxConst = 1_000_000
)

// Expression is a dice expression: a sum of dice and constants.
type Expression []Term

// Term is a number of dice, or a constant if Count is 0.
type Term struct {
	Negative  bool
	Count     int
	Sides     int
	Keep      int  // number of dice that count
	Lowest    bool // keep the lowest instead of the highest
	Constant  int
	Explode   string // "!" has a die that shows ExplodeAt followed by another, "!>" also one that shows more
	ExplodeAt int
	Reroll    string // "r" rolls a die again while it shows RerollTo, "ro" once; with "<" also below
	RerollTo  int
}

var term = regexp.MustCompile(`^(?:(\d*)d(\d+|%)(?:(!>?)(\d+)|(!))?(?:(ro?<?)(\d+))?(?:(kh|kl|k|dh|dl|d)(\d*))?|(\d+))`)

// inExpression matches a word with a letter at its begin that is no comment.
var inExpression = regexp.MustCompile(`^(?:d|kh|kl|k|dh|dl|ro?<?)(?:[\d%]|$)`)

// cutComment splits "2d6+3 fire damage" and "2d6 # fire".
func cutComment(text string) (expression, comment string) {
	if expression, comment, ok := strings.Cut(text, "#"); ok {
		return expression, strings.TrimSpace(comment)
	}
	words := strings.Fields(text)
	for i, w := range words {
		first, _ := utf8.DecodeRuneInString(w)
		if i > 0 && (unicode.IsLetter(first) || first == '(') && !inExpression.MatchString(strings.ToLower(fold.Plain(w))) {
			return strings.Join(words[:i], " "), strings.Join(words[i:], " ")
		}
	}
	return text, ""
}

// unjoined matches two terms with nothing but white space between them, which without it
// would read as one: 1d6 2 as d62, 1d6 d4 as 1d6 without the lowest 4.
var unjoined = regexp.MustCompile(`[\d%]\s+\d|d\s*(?:\d+|%)\s+d\s*[\d%]`)

// Parse parses an expression such as 2d6+3, d20, 4d6kh3, 2d20kl1, 4d6dl1 or d%-1. It
// ignores case, and white space unless it separates numbers or dice, which it does not add.
// Errors are INVALID_INPUT with a text for the user.
func Parse(text string) (Expression, error) {
	text = strings.ToLower(fold.Plain(text))
	if at := unjoined.FindStringIndex(text); at != nil {
		rest := strings.TrimSpace(text[at[0]+1:])
		return nil, event.Invalidf("I cannot read %q: put + or - between terms, as in 2d6+3", plugins.Shorten(rest, 30))
	}
	s := strings.Join(strings.Fields(text), "")
	if s == "" {
		return nil, event.Invalidf("say what to roll, for example 2d6+3")
	}
	var x Expression
	dice := 0
	for rest := s; rest != ""; {
		t := Term{Negative: rest[0] == '-'}
		if signed := rest[0] == '+' || rest[0] == '-'; signed {
			rest = rest[1:]
		} else if len(x) > 0 {
			return nil, event.Invalidf("I cannot read %q in %q: put + or - between terms, as in 2d6+3", plugins.Shorten(rest, 30), plugins.Shorten(s, 30))
		}
		m := term.FindStringSubmatch(rest)
		if m == nil {
			return nil, event.Invalidf("I cannot read %q: try 2d6+3, d20 or 4d6kh3", plugins.Shorten(s, 30))
		}
		rest = rest[len(m[0]):]
		if err := t.read(m); err != nil {
			return nil, err
		}
		if dice += t.Count; dice > MaxDice {
			return nil, event.Invalidf("that is %d dice, and I have %d", dice, MaxDice)
		}
		if x = append(x, t); len(x) > MaxTerms {
			return nil, event.Invalidf("that has more than %d terms", MaxTerms)
		}
	}
	return x, nil
}

func (t *Term) read(m []string) error {
	count, sides, reroll, how, keep, constant := m[1], m[2], m[6], m[8], m[9], m[10]
	if constant != "" {
		t.Constant = number(constant)
		if t.Constant > MaxConst {
			return event.Invalidf("%s is too large: %d is the most", plugins.Shorten(constant, 30), MaxConst)
		}
		return nil
	}
	t.Count, t.Sides = 1, 100
	if count != "" {
		t.Count = number(count)
	}
	if sides != "%" {
		t.Sides = number(sides)
	}
	switch {
	case t.Count < 1:
		return event.Invalidf("roll at least one die")
	case t.Count > MaxDice:
		return event.Invalidf("%s dice are too many: I have %d", plugins.Shorten(count, 30), MaxDice)
	case t.Sides < 2:
		return event.Invalidf("a die has at least 2 sides, not %s", sides)
	case t.Sides > MaxSides:
		return event.Invalidf("a die of %s sides would roll away: %d is the most", plugins.Shorten(sides, 30), MaxSides)
	}
	if t.Explode, t.ExplodeAt = m[3]+m[5], t.Sides; m[4] != "" {
		t.ExplodeAt = number(m[4])
		if t.ExplodeAt < 1 || t.ExplodeAt > t.Sides || t.Explode == "!>" && t.ExplodeAt == 1 {
			return event.Invalidf("%s%s of a die of %d sides explodes never or always", t.Explode, plugins.Shorten(m[4], 30), t.Sides)
		}
		if t.ExplodeAt == t.Sides {
			t.Explode = "!"
		}
	}
	if t.Reroll = reroll; reroll != "" {
		if t.RerollTo = number(m[7]); t.RerollTo < 1 || t.RerollTo >= t.Sides {
			return event.Invalidf("%s%s of a die of %d sides leaves nothing to roll", reroll, plugins.Shorten(m[5], 30), t.Sides)
		}
	}
	t.Keep = t.Count
	if how == "" {
		return nil
	}
	n := 1
	if keep != "" {
		n = number(keep)
	}
	if n < 1 || n > t.Count || how[0] == 'd' && n == t.Count {
		return event.Invalidf("%s%s of %d dice leaves nothing to count", how, plugins.Shorten(keep, 30), t.Count)
	}
	t.Keep, t.Lowest = n, how == "kl"
	if how[0] == 'd' {
		t.Keep, t.Lowest = t.Count-n, how == "dh"
	}
	return nil
}

// number parses decimal digits; the result is MaxInt on overflow.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return n
}

// String returns the expression in its usual notation.
func (x Expression) String() string {
	var b strings.Builder
	for i, t := range x {
		switch {
		case t.Negative:
			b.WriteByte('-')
		case i > 0:
			b.WriteByte('+')
		}
		if t.Count == 0 {
			fmt.Fprint(&b, t.Constant)
			continue
		}
		if t.Count > 1 {
			fmt.Fprint(&b, t.Count)
		}
		fmt.Fprintf(&b, "d%d", t.Sides)
		if b.WriteString(t.Explode); t.Explode != "" && t.ExplodeAt != t.Sides {
			fmt.Fprint(&b, t.ExplodeAt)
		}
		if t.Reroll != "" {
			fmt.Fprintf(&b, "%s%d", t.Reroll, t.RerollTo)
		}
		switch {
		case t.Keep == t.Count:
		case t.Lowest:
			fmt.Fprintf(&b, "kl%d", t.Keep)
		default:
			fmt.Fprintf(&b, "kh%d", t.Keep)
		}
	}
	return b.String()
}

// shownDice is the most dice that a result lists one by one.
const shownDice = 20

// Roll rolls the dice and returns the total and how it came about: [3, 5] + 3, with
// dice that do not count in parentheses.
func (x Expression) Roll(random *rand.Rand) (total int, working string) {
	var b strings.Builder
	for i, t := range x {
		switch {
		case t.Negative && i == 0:
			b.WriteString("-")
		case t.Negative:
			b.WriteString(" - ")
		case i > 0:
			b.WriteString(" + ")
		}
		sum := t.Constant
		if t.Count == 0 {
			fmt.Fprint(&b, t.Constant)
		} else {
			var shown string
			sum, shown = t.roll(random)
			b.WriteString(shown)
		}
		if t.Negative {
			sum = -sum
		}
		total += sum
	}
	return total, b.String()
}

func (t Term) roll(random *rand.Rand) (sum int, shown string) {
	var dice, order []int
	for left := t.Count; left > 0; left-- {
		d := t.die(random)
		if t.explodes(d) && len(dice) < MaxDice {
			left++
		}
		order = append(order, len(dice))
		dice = append(dice, d)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if t.Lowest {
			return dice[a] - dice[b]
		}
		return dice[b] - dice[a]
	})
	kept := make([]bool, len(dice))
	keep := t.Keep
	if keep == t.Count {
		keep = len(dice)
	}
	for _, i := range order[:keep] {
		kept[i] = true
		sum += dice[i]
	}
	if len(dice) > shownDice {
		return sum, fmt.Sprintf("[%d dice: %d]", len(dice), sum)
	}
	faces := make([]string, len(dice))
	for i, d := range dice {
		faces[i] = strconv.Itoa(d)
		if !kept[i] {
			faces[i] = "(" + faces[i] + ")"
		}
	}
	return sum, "[" + strings.Join(faces, ", ") + "]"
}

// explodes reports whether a die that shows d is followed by another.
func (t Term) explodes(d int) bool {
	return t.Explode != "" && d == t.ExplodeAt || t.Explode == "!>" && d > t.ExplodeAt
}

// die rolls one die, and again as Reroll says: at most MaxDice times.
func (t Term) die(random *rand.Rand) int {
	d := random.IntN(t.Sides) + 1
	for range MaxDice {
		if d != t.RerollTo && (d > t.RerollTo || !strings.HasSuffix(t.Reroll, "<")) {
			break
		}
		d = random.IntN(t.Sides) + 1
		if strings.HasPrefix(t.Reroll, "ro") {
			break
		}
	}
	return d
}
