package seen

import (
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin answers.
type Texts struct {
	Deliver  plugins.Text `json:"deliver" default:"✉️ {{.user}}: {{.from}} said {{duration .ago}} ago: {{.text}}" uses:"user,from,ago:duration,text" jsonschema:"what a message is delivered with"`
	Achieved plugins.Text `json:"achieved" default:"🏆 {{.user}}: {{.what}}" uses:"user,what,n:int,of" jsonschema:"what is said at a round number: {{.what}}, such as 1,000 lines, is n of lines, days in a row, or films played"`

	Here    plugins.Text `json:"text_here" default:"👀 {{.user}} is here{{if .spoke}}; said {{if .said}}{{duration .spoke}} ago: {{.said}}{{else}}something {{duration .spoke}} ago{{end}}{{end}}" uses:"user,spoke:duration,said" jsonschema:"!seen of who is here, who said something so long ago"`
	Away    plugins.Text `json:"text_away" default:"👀 {{.user}} was last here {{duration .away}} ago{{if .spoke}}; said {{if .said}}{{duration .spoke}} ago: {{.said}}{{else}}something {{duration .spoke}} ago{{end}}{{end}}" uses:"user,away:duration,spoke:duration,said" jsonschema:"!seen of who is away"`
	Self    plugins.Text `json:"text_self" default:"👀 You are right here, {{.user}}" uses:"user" jsonschema:"!seen of who asks"`
	Bot     plugins.Text `json:"text_bot" default:"👀 That is me" uses:"user" jsonschema:"!seen of the bot"`
	Unknown plugins.Text `json:"text_unknown" default:"I have never seen {{.user}} here.{{if .near}} Did you mean {{.near}}?{{end}}" uses:"user,near" jsonschema:"of who was never here"`
	First   plugins.Text `json:"text_first" default:"🌱 {{.user}} was here first on {{date \"2 Jan 2006 15:04\" .at}} UTC, {{duration .ago}} ago" uses:"user,at:time,ago:duration" jsonschema:"!firstseen"`
	Stats   plugins.Text `json:"text_stats" default:"📊 {{.user}}: {{plural \"line\" \"lines\" .lines}}, {{plural \"word\" \"words\" .words}}, {{plural \"emote\" \"emotes\" .emotes}}, {{plural \"film\" \"films\" .films}} played, {{.watched}} watched in {{duration .watching}}, {{duration .time}} here, {{plural \"day\" \"days\" .streak}} in a row at most; since {{date \"2 Jan 2006\" .since}}" uses:"user,lines:int,words:int,emotes:int,films:int,watched:int,watching:duration,time:duration,streak:int,since:time" jsonschema:"!stats"`
	Top     plugins.Text `json:"text_top" default:"🏅 {{.by}}: {{join \", \" .people}}" uses:"by,people:list" jsonschema:"!top"`
	NoTop   plugins.Text `json:"text_no_top" default:"there is nobody to rank by {{.by}} yet" uses:"by" jsonschema:"!top of what nobody has"`
	Quote   plugins.Text `json:"text_said" default:"💬 {{.user}}, {{duration .ago}} ago: {{.text}}{{if gt .lines 1}} ({{.lines}} such lines){{end}}" uses:"user,ago:duration,text,lines:int" jsonschema:"!said"`
	NoQuote plugins.Text `json:"text_not_said" default:"nobody said that within {{duration .within}}" uses:"within:duration" jsonschema:"!said of what nobody said"`

	Told        plugins.Text `json:"text_told" default:"✉️ I will tell {{.user}}" uses:"user" jsonschema:"!tell"`
	NoUser      plugins.Text `json:"text_no_user" default:"{{.user}} is not a user's name" uses:"user" jsonschema:"!tell to what is no name"`
	TellSelf    plugins.Text `json:"text_tell_self" default:"you know that already" uses:"user" jsonschema:"!tell to oneself"`
	TellBot     plugins.Text `json:"text_tell_bot" default:"{{.user}} is a bot and reads no messages" uses:"user" jsonschema:"!tell to a bot"`
	TooLong     plugins.Text `json:"text_too_long" default:"a message has at most {{.most}} characters, and that has {{.length}}" uses:"most:int,length:int" jsonschema:"!tell of too much"`
	TooMany     plugins.Text `json:"text_too_many" default:"{{if .user}}{{plural \"message waits\" \"messages wait\" .n}} for {{.user}} already{{else}}{{plural \"message\" \"messages\" .n}} of yours wait already: {{.prefix}}tells lists them{{end}}" uses:"user,n:int,prefix" jsonschema:"!tell beyond max_to, for a user, or beyond max_from"`
	Waiting     plugins.Text `json:"text_waiting" default:"✉️ {{if .messages}}{{join \"; \" .messages}}{{else}}No message of yours waits{{end}}" uses:"messages:list" jsonschema:"!tells"`
	TakenBack   plugins.Text `json:"text_taken_back" default:"✉️ Took back message #{{.number}} to {{.user}}" uses:"user,number:int" jsonschema:"!untell"`
	NoMessage   plugins.Text `json:"text_no_message" default:"no message #{{.number}} of yours waits" uses:"number:int" jsonschema:"!untell of a message that does not wait"`
	Expired     plugins.Text `json:"text_expired" default:"✉️ {{.from}}: your message to {{.user}} expired, they did not come back" uses:"from,user" jsonschema:"what is said to who wrote a message that expired"`
	Joined      plugins.Text `json:"text_same" default:"✅ {{.old}} counts as {{.new}} now. {{.prefix}}samename undo {{.old}} takes that back" uses:"old,new,prefix" jsonschema:"!samename"`
	SameAlready plugins.Text `json:"text_same_already" default:"{{.old}} and {{.new}} are one name already" uses:"old,new" jsonschema:"!samename of one name"`
	SameFirst   plugins.Text `json:"text_same_first" default:"{{.old}} counts as {{.new}}: undo that first, with {{.prefix}}samename undo {{.old}}" uses:"old,new,prefix" jsonschema:"!samename of a name that others count as"`
	Parted      plugins.Text `json:"text_parted" default:"✅ {{.old}} counts as themselves again" uses:"old" jsonschema:"!samename undo"`
	NotSame     plugins.Text `json:"text_not_same" default:"{{.old}} does not count as another name" uses:"old" jsonschema:"!samename undo of a name of its own"`
	Usage       plugins.Text `json:"text_usage" default:"write for example {{.prefix}}{{.example}}" uses:"prefix,example" jsonschema:"what is said where a command is not understood"`
}

// refuse returns an error that is answered with a text.
func refuse(c *plugins.Context, code event.Code, t plugins.Text, values plugins.Values) error {
	return event.Errorf(code, "%s", c.Render(t, values))
}

// usage returns the error of a command that is not understood.
func usage(c *plugins.Context, example string) error {
	t := plugins.SettingsOf[Settings](c).Usage
	return refuse(c, event.InvalidInput, t, plugins.Values{"prefix": c.Prefix(), "example": example})
}
