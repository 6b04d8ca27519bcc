package seen

import (
	"regexp"
	"strings"
	"time"

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
		return nil, usage(c, "said @alice pop corn")
	}
	s := plugins.SettingsOf[Settings](c)
	q := replay.Query{Filter: replay.Filter{
		Subjects: []string{event.SubjectChat}, Channel: c.Channel(), User: user, Since: c.Now().Add(-s.Said), Until: c.Now(),
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
		return nil, refuse(c, event.RecordNotFound, s.NoQuote, plugins.Values{"within": s.Said})
	}
	return c.SayText(s.Quote, plugins.Values{"user": last.User, "ago": c.Now().Sub(at), "text": plugins.Shorten(last.Message, 200), "lines": n}), nil
}
