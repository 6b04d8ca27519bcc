package commands

import (
	"maps"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin answers.
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

	TextUsage     plugins.Text `json:"text_usage" default:"write for example {{.prefix}}{{.example}}" uses:"prefix,example" jsonschema:"what is said where a command lacks something"`
	TextVerbs     plugins.Text `json:"text_verbs" default:"write {{.prefix}}{{.example}}, or {{.verbs}}" uses:"prefix,example,verbs" jsonschema:"what is said where a command's first word is unknown"`
	TextBadName   plugins.Text `json:"text_bad_name" default:"\"{{.name}}\" cannot be a name: it is 1 to 30 letters, digits, _ and -" uses:"name" jsonschema:"what is said of what cannot be a name"`
	TextNoText    plugins.Text `json:"text_no_text" default:"say what is to be said" jsonschema:"what is said where a text is empty"`
	TextBadText   plugins.Text `json:"text_bad_text" default:"the text has a mistake {{.reason}}" uses:"reason" jsonschema:"what is said of a text with a mistake"`
	TextFull      plugins.Text `json:"text_full" default:"a channel has at most {{.most}} {{.of}}: remove one first" uses:"of,most:int" jsonschema:"what is said where there are too many commands, announcements or replies"`
	TextTaken     plugins.Text `json:"text_taken" default:"{{if eq .of \"command\"}}there is a command {{.prefix}}{{.name}} already: {{.prefix}}cmd edit {{.name}} TEXT changes it{{else if eq .of \"announcement\"}}there is an announcement {{.name}} already: {{.prefix}}announce rm {{.name}} first{{else}}there is a reply {{.name}} already: {{.prefix}}reply rm {{.name}} first{{end}}" uses:"of,prefix,name" jsonschema:"what is said where a command, announcement or reply has the name already"`
	TextMissing   plugins.Text `json:"text_missing" default:"{{if eq .of \"command\"}}there is no command {{.prefix}}{{.name}} of this channel: see {{.prefix}}cmd list{{else if eq .of \"announcement\"}}there is no announcement {{.name}}: see {{.prefix}}announce list{{else}}there is no reply {{.name}}: see {{.prefix}}reply list{{end}}" uses:"of,prefix,name" jsonschema:"what is said of a command, announcement or reply that there is not"`
	TextUnchanged plugins.Text `json:"text_unchanged" default:"{{if eq .of \"announcement\"}}there is no change of announcements to take back{{else if eq .of \"reply\"}}there is no change of replies to take back{{else if .name}}there is no change of {{.prefix}}{{.name}} to take back{{else}}no command of this channel was changed{{end}}" uses:"of,prefix,name" jsonschema:"what is said where there is no change of a command, of announcements or of replies to take back"`

	TextOthers      plugins.Text `json:"text_others" default:"{{.prefix}}{{.name}} is a command of the plugin {{.plugin}}: choose another name" uses:"prefix,name,plugin" jsonschema:"what is said of the name of a plugin's command"`
	TextNotYours    plugins.Text `json:"text_not_yours" default:"{{.prefix}}{{.name}} needs rank {{.need}}, and yours is {{.rank}}: it is not yours to change" uses:"user,prefix,name,need:int,rank:int" jsonschema:"what is said to who changes a command of a higher rank"`
	TextOfAlias     plugins.Text `json:"text_of_alias" default:"{{.prefix}}{{.name}} stands for {{.prefix}}{{.runs}}, whose {{.what}} it has" uses:"prefix,name,runs,what" jsonschema:"what is said of the rank, cooldown or count of what stands for another command"`
	TextBadAlias    plugins.Text `json:"text_bad_alias" default:"{{if eq .why \"itself\"}}{{.name}} would stand for itself: choose another name{{else if eq .why \"deep\"}}{{.name}} would stand for too many commands in turn{{else}}{{.prefix}}{{.name}} is no command: {{.prefix}}help lists those that there are{{end}}" uses:"why,prefix,name" jsonschema:"what is said of what cannot stand for a command, as it would for itself, for too many in turn (deep), or for none"`
	TextBadRank     plugins.Text `json:"text_bad_rank" default:"a rank is 0 (everybody) to {{.rank}}, which is yours: 1 registered users, 2 moderators, 3 admins" uses:"rank:int" jsonschema:"what is said of what is no rank"`
	TextBadCooldown plugins.Text `json:"text_bad_cooldown" default:"a cooldown is a time such as 30s or 5m, at most {{duration .most}}, or off" uses:"most:duration" jsonschema:"what is said of what is no cooldown"`
	TextBadCount    plugins.Text `json:"text_bad_count" default:"a count is a whole number from 0 to {{.most}}" uses:"most:int" jsonschema:"what is said of what is no count"`
	TextBadEvery    plugins.Text `json:"text_bad_every" default:"{{if eq .of \"lines\"}}an announcement is made every {{.least}}lines to {{.most}}lines, not {{.text}}{{else if eq .of \"time\"}}an announcement is made every {{.least}} to {{.most}}, not every {{.text}}{{else}}{{.text}} is not how often: write 30m, 20lines or 30m+20lines{{end}}" uses:"of,text,least,most" jsonschema:"what is said of how often an announcement is not made: a number of lines, a time, or what is neither"`
	TextBadPattern  plugins.Text `json:"text_bad_pattern" default:"{{if .most}}a pattern has at most {{.most}} characters{{else if .reason}}the pattern cannot be used: {{.reason}}. It is a regular expression of RE2, so without (?=…) and \\1{{else}}the pattern would match every line{{end}}" uses:"most:int,reason" jsonschema:"what is said of a pattern that cannot be used"`
	TextErased      plugins.Text `json:"text_erased" default:"{{.prefix}}{{.name}} has nothing to say any more: {{.prefix}}cmd edit {{.name}} TEXT" uses:"prefix,name" jsonschema:"what is said of a command whose text was erased with its author"`
	TextUnusable    plugins.Text `json:"text_unusable" default:"its text {{if .old}}can no longer be used: {{else}}cannot be said {{end}}{{.reason}}" uses:"old:bool,reason" jsonschema:"what is said of a command whose text has a mistake that shows only now, as it is of an earlier release (old) or for some values"`
}

func texts(c *plugins.Context) Texts { return plugins.SettingsOf[Settings](c).Texts }

// about renders a text about what has a name, of which there is more to say.
func about(c *plugins.Context, t plugins.Text, name string, more plugins.Values) string {
	values := plugins.Values{"user": c.Command.User, "prefix": c.Prefix(), "name": name}
	maps.Copy(values, more)
	return c.Render(t, values)
}

// refuse returns an error about what has a name, of which there is more to say.
func refuse(c *plugins.Context, code event.Code, t plugins.Text, name string, more plugins.Values) error {
	return event.Errorf(code, "%s", about(c, t, name, more))
}

// What there is in a channel.
const (
	ofCommands      = "command"
	ofAnnouncements = "announcement"
	ofReplies       = "reply"
)

// missing returns the error of a command, announcement or reply that there is not.
func missing(c *plugins.Context, of, name string) error {
	return refuse(c, event.RecordNotFound, texts(c).TextMissing, plugins.Shorten(name, 40), plugins.Values{"of": of})
}

// unchanged returns the error of what has no change to take back.
func unchanged(c *plugins.Context, of, name string) error {
	return refuse(c, event.RecordNotFound, texts(c).TextUnchanged, name, plugins.Values{"of": of})
}

// taken returns the error of a name that something has already.
func taken(c *plugins.Context, of, name string) error {
	return refuse(c, event.InvalidInput, texts(c).TextTaken, name, plugins.Values{"of": of})
}

// full returns the error of what there is too much of.
func full(c *plugins.Context, of string, most int) error {
	return c.Refuse(event.InvalidInput, texts(c).TextFull, plugins.Values{"of": of, "most": most})
}

// did returns the answer to a change, and the event about it.
func did(c *plugins.Context, p changed, answer string) []event.Envelope {
	payload := map[string]any{"action": p.Action, "what": p.What, "name": p.Name, "by": c.Command.User, "text": p.Text, "channel": c.Channel()}
	return append(c.Tell(plugins.Recipient{}, answer), c.Emit(kindChanged, payload)...)
}
