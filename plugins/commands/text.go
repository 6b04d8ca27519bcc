package commands

import (
	"fmt"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/texttemplate"
	"github.com/rosey-bot/rosey/plugins"
)

// What texts may use: all of them, and those of commands, announcements and replies.
var (
	common       = []string{"channel", "prefix", "now:time", "title", "users:list"}
	ofCommand    = append([]string{"user", "rank:int", "args", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8", "arg9", "target", "count:int"}, common...)
	ofAnnounced  = append([]string{"count:int"}, common...)
	ofReply      = append([]string{"user", "rank:int", "text", "match", "group1", "group2", "group3"}, common...)
	maxArguments = 9
)

// checkText returns a typed text, or why it is none.
func checkText(c *plugins.Context, text string, uses []string) (string, error) {
	if text = strings.TrimSpace(text); text == "" {
		return "", c.Refuse(event.InvalidInput, texts(c).TextNoText, nil)
	}
	if _, err := texttemplate.Parse(text, uses); err != nil {
		return "", c.Refuse(event.InvalidInput, texts(c).TextBadText, plugins.Values{"reason": err.Error()})
	}
	return text, nil
}

// parse returns a stored text.
func parse(c *plugins.Context, text string, uses []string) (texttemplate.Template, error) {
	t, err := texttemplate.Parse(text, uses)
	if err != nil {
		return t, c.Refuse(event.PluginError, texts(c).TextUnusable, plugins.Values{"old": true, "reason": err.Error()})
	}
	return t, nil
}

// render renders a text with the values that all have in addition.
func render(c *plugins.Context, t texttemplate.Template, values plugins.Values) (string, error) {
	values["channel"], values["prefix"], values["now"] = c.Channel(), c.Prefix(), c.Now()
	values["title"], values["users"] = "", []string{}
	if t.Uses("title") || t.Uses("users") {
		s, err := c.State(plugins.Users, plugins.Playing, plugins.Playlist)
		if err != nil {
			return "", fmt.Errorf("read the channel: %w", err)
		}
		if s.Playing != nil {
			values["title"] = s.Playing.Title
		}
		var names []string
		for _, u := range s.Users {
			if !strings.EqualFold(u.Name, s.BotName) {
				names = append(names, u.Name)
			}
		}
		values["users"] = names
	}
	out, err := t.Render(values, c.Rand())
	if err != nil {
		return "", c.Refuse(event.PluginError, texts(c).TextUnusable, plugins.Values{"old": false, "reason": err.Error()})
	}
	return strings.TrimSpace(out), nil
}
