package seen

import (
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/replay"
)

// said finds the last line with some words. It reads the stream, which forgets what an
// operator erased.
func said(c *plugins.Context) ([]event.Envelope, error) {
	user, words := "", c.Text(0)
	if len(c.Command.Args) > 0 && strings.HasPrefix(c.Command.Args[0], "@") {
		user, words = plugins.UserName(c.Command.Args[0]), c.Text(1)
	}
	words = strings.TrimSpace(words)
	if words == "" && user == "" {
		return nil, event.Errorf(event.InvalidInput, "say what to look for, for example %[1]ssaid pop corn or %[1]ssaid @alice pop corn", c.Prefix())
	}
	back := plugins.SettingsOf[Settings](c).Said
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{event.SubjectChat}, Channel: c.Channel(), User: user, Since: c.Now().Add(-back), Until: c.Now(),
		Grep: regexp.MustCompile("(?i)" + regexp.QuoteMeta(words)),
	}}
	var last event.Chat
	var at time.Time
	n := 0
	for e, err := range c.Streams().Events(c, q) {
		if err != nil {
			return nil, err
		}
		d, err := e.Decode()
		if err != nil || d.Ref == (event.Ref{}) {
			continue
		}
		line, err := event.As[event.Chat](d.Envelope)
		_, caused := d.Causation()
		skip := err != nil || caused || string(line.Extra["shadow"]) == "true" || strings.HasPrefix(line.Message, c.Prefix())
		if skip || !strings.Contains(plugins.Fold(line.Message), plugins.Fold(words)) || user != "" && plugins.Fold(user) != plugins.Fold(line.User) {
			continue
		}
		n++
		last, at = line, d.TypedAt(line)
	}
	if n == 0 {
		return nil, event.Errorf(event.RecordNotFound, "nobody said that within %s", span(int64(back.Seconds())))
	}
	more := ""
	if n > 1 {
		more = " (" + humanize.Comma(int64(n)) + " such lines)"
	}
	return c.Say("💬 %s, %s: %s%s", last.User, ago(c, at.UnixMilli()), plugins.Shorten(last.Message, 200), more), nil
}
