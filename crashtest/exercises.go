package crashtest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An exercise is a command that is typed with a number of its own.
type exercise struct {
	plugin string
	text   string // with %d for the number
	answer string // what its reply holds, with %d for the number; "" if that is not known
	weight int    // how often it is typed
}

// anyExercise finds which of all exercises a line is: the n-th group is the number of the n-th.
var anyExercise = func() *regexp.Regexp {
	var texts []string
	for _, e := range all() {
		texts = append(texts, verb.ReplaceAllString(regexp.QuoteMeta(e.text), `(\d+)`))
	}
	return regexp.MustCompile("^(?:" + strings.Join(texts, "|") + ")$")
}()

var verb = regexp.MustCompile(`%0?\d*d`)

type exercises []exercise

// base are typed in every run: one plugin in processes of its own, and one in the bot's.
var base = exercises{
	{plugin: "dice-roller", text: "!roll d6+%d", answer: "d6+%d:", weight: 3},
	{plugin: quoteDB, text: "!quote add crash %d", weight: 1},
}

// ofChannel are those of the plugins that run a channel.
var ofChannel = exercises{
	{plugin: "playlist", text: "!add https://youtu.be/crash%06d", answer: "crash%06d", weight: 2},
	{plugin: "moderation", text: "!warnings ghost%d", answer: "ghost%d has no warnings", weight: 2},
	{plugin: "autoplay", text: "!programme add show%d https://youtu.be/crash000000", answer: "show%d (1 item)", weight: 1}, // done twice it has 2
	{plugin: "commands", text: "!cmd add c%d hello", answer: "!c%d", weight: 1},
	{plugin: "seen", text: "!seen ghost%d", answer: "never seen ghost%d here", weight: 2},
}

const quoteDB = "quote-db"

func (c *crash) exercises() exercises {
	if c.Plugins {
		return slices.Concat(base, ofChannel)
	}
	return base
}

// all are those of any run.
func all() exercises { return slices.Concat(base, ofChannel) }

// plugins are those whose commands are typed.
func (list exercises) plugins() (names []string) {
	for _, e := range list {
		if !slices.Contains(names, e.plugin) {
			names = append(names, e.plugin)
		}
	}
	return names
}

// line returns the n-th command.
func (list exercises) line(random *rand.Rand, n int) string {
	total := 0
	for _, e := range list {
		total += e.weight
	}
	at := random.IntN(total)
	for _, e := range list {
		if at -= e.weight; at < 0 {
			return fmt.Sprintf(e.text, n)
		}
	}
	panic("unreachable")
}

// find returns the exercise that a line is, and its number.
func find(text string) (e exercise, n int, ok bool) {
	for i, number := range slices.All(anyExercise.FindStringSubmatch(text)) {
		if i > 0 && number != "" {
			n, err := strconv.Atoi(number)
			return all()[i-1], n, err == nil
		}
	}
	return exercise{}, 0, false
}

// answers reports whether a reply is one to the n-th command.
func (e exercise) answers(reply string, n int) bool {
	return e.answer == "" || strings.Contains(reply, fmt.Sprintf(e.answer, n))
}

// numberOf returns the number of a command.
func numberOf(text string) (n int, ok bool) {
	_, n, ok = find(text)
	return n, ok
}

// names are the users that type.
var names = [...]string{"alice", "bob", "carol"}
