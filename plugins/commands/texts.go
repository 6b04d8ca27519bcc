package commands

import (
	"maps"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin answers, but for its errors.
type Texts struct {
	TextAdded    plugins.Text `json:"text_added" default:"✅ added {{.prefix}}{{.name}}" uses:"user,prefix,name" jsonschema:"what is said when a command was added"`
	TextEdited   plugins.Text `json:"text_edited" default:"✅ changed {{.prefix}}{{.name}}" uses:"user,prefix,name" jsonschema:"what is said when a command has another text"`
	TextRank     plugins.Text `json:"text_rank" default:"✅ {{.prefix}}{{.name}} needs rank {{.rank}}" uses:"user,prefix,name,rank:int" jsonschema:"what is said when a command has another rank"`
	TextCooldown plugins.Text `json:"text_cooldown" default:"✅ {{.prefix}}{{.name}} {{if .cooldown}}can be used every {{duration .cooldown}}{{else}}has no cooldown{{end}}" uses:"user,prefix,name,cooldown:duration" jsonschema:"what is said when a command has another cooldown"`
	TextCount    plugins.Text `json:"text_count" default:"✅ {{.prefix}}{{.name}} counts from {{.count}}" uses:"user,prefix,name,count:int" jsonschema:"what is said when a command has another count"`
	TextRemoved  plugins.Text `json:"text_removed" default:"🗑️ removed {{.prefix}}{{.name}}; {{.prefix}}cmd undo {{.name}} takes it back" uses:"user,prefix,name" jsonschema:"what is said when a command was removed"`
	TextUndone   plugins.Text `json:"text_undone" default:"↩️ {{if .command}}{{.prefix}}{{.name}} is as it was: {{.command}}{{else}}removed {{.prefix}}{{.name}} again{{end}}" uses:"user,prefix,name,command" jsonschema:"what is said when the last change of a command was taken back; command is text_command"`
	TextCommand  plugins.Text `json:"text_command" default:"{{if .runs}}stands for {{.prefix}}{{.runs}}{{else}}{{.text}}{{end}} (by {{.by}}{{if .rank}}, rank {{.rank}}{{end}}{{if .cooldown}}, every {{duration .cooldown}}{{end}}{{if .count}}, used {{.count}} times{{end}})" uses:"user,prefix,name,text,runs,by,rank:int,cooldown:duration,count:int" jsonschema:"what a command says or runs, and what else there is to know of it"`
	TextShown    plugins.Text `json:"text_shown" default:"📝 {{.prefix}}{{.name}}: {{.command}}" uses:"user,prefix,name,command" jsonschema:"a command; command is text_command"`
	TextCommands plugins.Text `json:"text_commands" default:"📝 {{if .commands}}{{join \", \" .commands}}{{else}}this channel has no commands of its own: {{.prefix}}cmd add rules Be kind{{end}}" uses:"commands:list,prefix" jsonschema:"which commands there are"`

	TextAnnouncing          plugins.Text `json:"text_announcing" default:"✅ announcing {{.name}} {{.state}}, while people talk" uses:"user,prefix,name,state" jsonschema:"what is said when an announcement was added; state is text_state"`
	TextState               plugins.Text `json:"text_state" default:"{{if .off}}off{{else}}every {{if .every}}{{duration .every}}{{end}}{{if and .every .lines}} and {{end}}{{if .lines}}{{.lines}} lines{{end}}{{end}}" uses:"off:bool,every:duration,lines:int" jsonschema:"how often an announcement is made"`
	TextSwitched            plugins.Text `json:"text_switched" default:"✅ the {{if eq .count 1}}announcement {{.names}} is{{else}}announcements {{.names}} are{{end}} {{if .off}}off{{else}}on{{end}}" uses:"user,names,count:int,off:bool" jsonschema:"what is said when announcements were switched on or off"`
	TextAnd                 plugins.Text `json:"text_and" default:"and" jsonschema:"the word before the last of some names"`
	TextGrouped             plugins.Text `json:"text_grouped" default:"✅ {{.name}} is in {{if .group}}the group {{.group}}: {{.state}}{{else}}no group{{end}}" uses:"user,prefix,name,group,state" jsonschema:"what is said when an announcement has another group; state is text_state"`
	TextAnnouncement        plugins.Text `json:"text_announcement" default:"{{.name}} {{with .group}}({{.}}) {{end}}{{.state}}" uses:"name,group,state" jsonschema:"one of the announcements; state is text_state"`
	TextAnnouncements       plugins.Text `json:"text_announcements" default:"📣 {{if .announcements}}{{join \"; \" .announcements}}{{if .off}} (all are off by the setting announcements){{end}}{{else}}this channel has no announcements: {{.prefix}}announce add rules 30m Please read the rules{{end}}" uses:"announcements:list,off:bool,prefix" jsonschema:"which announcements there are"`
	TextAnnouncementShown   plugins.Text `json:"text_announcement_shown" default:"📣 {{.name}} ({{.state}}, by {{.by}}): {{.text}}" uses:"user,prefix,name,state,by,text" jsonschema:"an announcement; state is text_state"`
	TextAnnouncementRemoved plugins.Text `json:"text_announcement_removed" default:"🗑️ removed the announcement {{.name}}; {{.prefix}}announce undo takes it back" uses:"user,prefix,name" jsonschema:"what is said when an announcement was removed"`
	TextAnnouncementsUndone plugins.Text `json:"text_announcements_undone" default:"↩️ the announcements are as they were: {{if .announcements}}{{join \"; \" .announcements}}{{else}}none{{end}}" uses:"user,announcements:list" jsonschema:"what is said when the last change of announcements was taken back"`

	TextReplying      plugins.Text `json:"text_replying" default:"✅ replying to {{.pattern}}" uses:"user,prefix,name,pattern" jsonschema:"what is said when a reply was added"`
	TextReplies       plugins.Text `json:"text_replies" default:"💬 {{if .replies}}{{join \"; \" .replies}}{{else}}this channel has no replies: {{.prefix}}reply add discord \"discord|dis cord\" We are at …{{end}}" uses:"replies:list,prefix" jsonschema:"which replies there are"`
	TextReplyShown    plugins.Text `json:"text_reply_shown" default:"💬 {{.name}} (by {{.by}}) replies to {{.pattern}}: {{.text}}" uses:"user,prefix,name,by,pattern,text" jsonschema:"a reply"`
	TextReplyRemoved  plugins.Text `json:"text_reply_removed" default:"🗑️ removed the reply {{.name}}; {{.prefix}}reply undo takes it back" uses:"user,prefix,name" jsonschema:"what is said when a reply was removed"`
	TextRepliesUndone plugins.Text `json:"text_replies_undone" default:"↩️ the replies are as they were: {{if .replies}}{{join \"; \" .replies}}{{else}}none{{end}}" uses:"user,replies:list" jsonschema:"what is said when the last change of replies was taken back"`
}

func texts(c *plugins.Context) Texts { return plugins.SettingsOf[Settings](c).Texts }

// about renders a text about what has a name, of which there is more to say.
func about(c *plugins.Context, t plugins.Text, name string, more plugins.Values) string {
	values := plugins.Values{"user": c.Command.User, "prefix": c.Prefix(), "name": name}
	maps.Copy(values, more)
	return c.Render(t, values)
}

// did returns the answer to a change, and the event about it.
func did(c *plugins.Context, p changed, answer string) []event.Envelope {
	payload := map[string]any{"action": p.Action, "what": p.What, "name": p.Name, "by": c.Command.User, "text": p.Text, "channel": c.Channel()}
	return append(c.Tell(plugins.Recipient{}, answer), c.Emit(kindChanged, payload)...)
}
