// Package texts is the plugin texts, which has no commands: its settings are what Rosey itself says
// to users, for all plugins, so that a channel can have it said in its own language.
package texts

import (
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Settings are the texts, each by the Text of the phrases (see event.Phrase) that it has the words for.
type Settings struct {
	Rank        plugins.Text `json:"rank" default:"⛔ {{.user}}: {{.command}} needs rank {{.need}}, yours is {{.rank}}" uses:"user,command,need:int,rank:int" jsonschema:"what is said to whose rank is too low for a command"`
	Cooldown    plugins.Text `json:"cooldown" default:"⏳ {{.user}}: {{.command}} again in {{duration .left}}" uses:"user,command,left:duration" jsonschema:"what is said, once, to who uses a command before it has cooled down"`
	Suggestion  plugins.Text `json:"suggestion" default:"{{if not .private}}{{.user}}: {{end}}did you mean {{.command}}?" uses:"user,command,private:bool" jsonschema:"what is said to who misspells a command"`
	Alias       plugins.Text `json:"alias" default:"❌ {{.command}} stands for {{if .other}}{{.other}}, which is no command{{else}}commands that stand for one another: that ends after {{.most}}{{end}}" uses:"command,other,most:int" jsonschema:"what is said of a command that stands for one that there is not (other), or for too many in turn"`
	Failed      plugins.Text `json:"failed" default:"{{.user}}: {{.command}} {{if .again}}{{if .limit}}took longer than {{duration .limit}}{{else}}did not work yet{{end}}, trying again{{else if .limit}}failed, it took longer than {{duration .limit}} (rosey dead ls){{else}}failed, an operator can see why (rosey dead ls){{end}}" uses:"user,command,again:bool,limit:duration" jsonschema:"what is said to whose command failed, and is tried again or not; limit is the time that it took too long"`
	Backlog     plugins.Text `json:"backlog" default:"{{.user}}: too many of your answers are waiting, and no more are given until these are said." uses:"user" jsonschema:"what is said to who asks for more than the bot may say"`
	Undelivered plugins.Text `json:"undelivered" default:"{{if .own}}{{.user}}: a private message of mine did not reach you.{{else}}⚠️ My private message to {{.to}} {{if .unsure}}may not have arrived{{else}}was not delivered{{end}}: {{.reason}}{{end}}" uses:"user,to,own:bool,unsure:bool,reason" jsonschema:"what is said of a private message that was not delivered, or may not have been (unsure); to who asked for it, where it was for another, or for who asked (own)"`

	Time     plugins.Text `json:"time" default:"{{if eq .why \"duration\"}}\"{{.text}}\" is not a duration: write for example 90s, 5m or 30d{{else if eq .why \"time\"}}\"{{.text}}\" is not a time: write for example {{.example}}{{else if eq .why \"clock\"}}\"{{.text}}\" is no time of day: write for example 20:00 or 8pm{{else if eq .why \"ambiguous\"}}\"{{.text}}\" may mean minutes or months: write 1m for a minute, 1mo for a month{{else if eq .why \"zone\"}}I do not know the time zone {{.text}}: write for example Europe/Berlin or +01:00{{else if eq .why \"gap\"}}there is no {{.text}} on {{date \"Mon 2 Jan 2006\" .date}} in {{.zone}}: the clocks go forward then, write for example {{.next}}{{else}}{{.text}} cannot be used{{end}}" uses:"why,text,example,date:time,zone,next" jsonschema:"what is said of what is no time; why is duration, time, clock (a time of day), ambiguous (minutes or months), zone, or gap (the clocks skip it)"`
	Schedule plugins.Text `json:"schedule" default:"{{if eq .why \"when\"}}say when: a duration such as 2h30m, or a time such as 20:00 or 2026-12-24 20:00{{else if eq .why \"begin\"}}say when it begins, for example 20:00 every {{if gt .n 1}}{{.n}} {{.unit}}s{{else}}{{.unit}}{{end}}{{else if eq .why \"period\"}}I cannot read \"{{.text}}\": write for example every day, every 2 weeks or every 90 minutes{{else if eq .why \"often\"}}that is too often: every {{duration .length}} at the most{{else if eq .why \"far\"}}that is more than 10 years away{{else if eq .why \"long_over\"}}{{.text}} is more than 10 years ago{{else if eq .why \"over\"}}{{.text}} is over: it was {{duration .length}} ago{{else}}\"{{.text}}\" never comes{{end}}" uses:"why,text,length:duration,n:int,unit" jsonschema:"what is said of when nothing is scheduled; why is when (nothing said), begin (a period alone), period (unreadable), often, far, long_over, over or never"`
	Cron     plugins.Text `json:"cron" default:"{{if .text}}\"{{.text}}\" is no cron expression{{with .reason}}: {{.}}{{end}}{{else}}a cron expression has five fields, minute, hour, day, month and weekday: write for example cron 0 20 * * 5{{end}}" uses:"text,reason" jsonschema:"what is said of what is no cron expression, or of one with too few fields (no text)"`
	Link     plugins.Text `json:"link" default:"{{if eq .why \"link\"}}\"{{.text}}\" is not a link{{else if eq .why \"page\"}}{{.text}} is on a site that CyTube knows, and is no video there{{else if eq .why \"site\"}}{{.text}} is on no site that CyTube knows, and no file that it plays; if it is a file after all, queue it by type fi and the link as id{{else if eq .why \"http\"}}CyTube takes files and streams only from an https:// address, not {{.text}}{{else if eq .why \"gone\"}}{{.text}}{{else if eq .why \"type\"}}CyTube knows no media type {{.text}}{{else}}the media have no ID{{end}}" uses:"why,text" jsonschema:"what is said of what is no link to media; why is link, page (no video of a known site), site (unknown), http (no https), gone (the site is, text says so), type or id (none)"`
	Reason   plugins.Text `json:"reason" default:"{{.reason}}" uses:"reason" jsonschema:"why the channel or its site refused what was asked of it, as {{.reason}} of other texts; such as {{if eq .reason \"This item is already on the playlist\"}}steht schon auf der Liste{{else}}{{.reason}}{{end}}"`
}

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name: event.SharedTexts, Version: "1.0.0", Description: "What the bot itself says, for all plugins, as settings", Settings: Settings{},
		Capabilities: []string{event.CapabilityChat},
	}
}
