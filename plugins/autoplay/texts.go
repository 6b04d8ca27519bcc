package autoplay

import (
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin says, but for its errors.
type Texts struct {
	Soon       plugins.Text `json:"soon" default:"📅 {{.what}} in {{duration .left}}" uses:"what,left:duration" jsonschema:"the announcement of a programme"`
	Due        plugins.Text `json:"due" default:"🎬 {{.what}} begins" uses:"what,by" jsonschema:"what is said when a programme is due"`
	TooLate    plugins.Text `json:"too_late" default:"📅 {{.what}} was due {{duration .late}} ago while the bot was away: skipped{{with .next}}, next on {{.}}{{end}}" uses:"what,late:duration,next" jsonschema:"what is said of a programme that was missed"`
	Ready      plugins.Text `json:"ready" default:"" uses:"what,items:int" jsonschema:"what is said when all of a programme is on the playlist"`
	Failed     plugins.Text `json:"failed" default:"❌ {{.what}}: {{.item}} is left out: {{.reason}}" uses:"what,item,reason" jsonschema:"what is said of an item of a programme that cannot be added"`
	Stuck      plugins.Text `json:"stuck" default:"❌ No filler for now: {{.reason}}" uses:"reason" jsonschema:"what is said once when there is no filler; reason is text_no_filler, or what the site says"`
	NoFiller   plugins.Text `json:"text_no_filler" default:"{{if .count}}of {{.count | plural \"entry\" \"entries\"}} {{join \", \" .reasons}}{{else}}there is nothing to choose from{{end}}" uses:"count:int,reasons:list" jsonschema:"why there is no filler"`
	Barred     plugins.Text `json:"text_barred" default:"{{.count}} {{if eq .why \"there\"}}on the playlist{{else if eq .why \"fresh\"}}played lately{{else if eq .why \"long\"}}too long{{else if eq .why \"down\"}}failing for now{{else}}set aside{{end}}" uses:"count:int,why" jsonschema:"one of the reasons, which is there (on the playlist), fresh (played lately), long, down (failing for now) or gone (set aside)"`
	Unplayable plugins.Text `json:"text_unplayable" default:"❌ {{.what}} cannot be played: {{.reason}}" uses:"what,by,reason" jsonschema:"what is said when what is due is not there any more"`

	Calendar  plugins.Text `json:"text_calendar" default:"📅 {{if .schedules}}{{cut 900 (join \"; \" .schedules)}}{{else}}Nothing is scheduled: {{.prefix}}schedule friday 20:00 NAME or LINK{{end}}" uses:"schedules:list,prefix" jsonschema:"what is scheduled, each as text_schedule"`
	Entry     plugins.Text `json:"text_schedule" default:"{{.number}}. {{.what}} in {{duration .left}}, on {{.on}}{{with .repeats}}, then {{.}}{{end}}" uses:"number:int,what,by,left:duration,at:time,on,repeats" jsonschema:"one of what is scheduled, on a time in the setting zone, which at is too"`
	Damaged   plugins.Text `json:"text_damaged" default:"{{.what}} (damaged: remove it)" uses:"number:int,what" jsonschema:"one of what is scheduled whose record is damaged"`
	Scheduled plugins.Text `json:"text_scheduled" default:"📅 {{.schedule}}" uses:"user,schedule" jsonschema:"what is said when something was scheduled, or for another time; schedule is text_schedule"`
	Cancelled plugins.Text `json:"text_cancelled" default:"🗑️ Removed {{.number}}: {{.what}}" uses:"user,number:int,what" jsonschema:"what is said when a schedule was removed"`

	Programme  plugins.Text `json:"text_programme" default:"{{.name}} ({{if .series}}series, {{.played}} of {{.count | plural \"episode\" \"episodes\"}} played{{else}}{{.count | plural \"item\" \"items\"}}{{end}})" uses:"name,series:bool,played:int,count:int" jsonschema:"a programme in a few words"`
	Programmes plugins.Text `json:"text_programmes" default:"{{if .programmes}}🎬 {{join \"; \" .programmes}}{{else}}There are no programmes: make one with {{.prefix}}programme add NAME LINK…{{end}}" uses:"programmes:list,prefix" jsonschema:"which programmes there are, each as text_programme"`
	Items      plugins.Text `json:"text_items" default:"🎬 {{.programme}}: {{cut 600 (join \", \" .items)}}" uses:"programme,items:list" jsonschema:"what is in a programme"`
	Changed    plugins.Text `json:"text_changed" default:"🎬 {{.programme}}" uses:"user,programme" jsonschema:"what is said when a programme was changed; programme is text_programme"`
	Removed    plugins.Text `json:"text_removed" default:"🗑️ Removed {{.programme}}" uses:"user,programme" jsonschema:"what is said when a programme was removed"`
	Loading    plugins.Text `json:"text_loading" default:"🎬 Loading {{.what}}: {{.count | plural \"item\" \"items\"}}" uses:"user,what,count:int" jsonschema:"what is said when a programme begins to load by a command"`

	Status plugins.Text `json:"text_filler" default:"{{if .on}}Filler is on, from {{join \", \" .from}}: {{.count | plural \"entry\" \"entries\"}}{{with .reason}}; none keeps the rules: {{.}}{{end}}{{if .pause}}; tried again in {{duration .pause}}{{end}}{{else}}Filler is off: an admin turns it on with {{.prefix}}set autoplay.filler true{{end}}" uses:"on:bool,from:list,count:int,reason,pause:duration,prefix" jsonschema:"the state of filler"`
	Aside  plugins.Text `json:"text_aside" default:"{{if .items}}Set aside: {{join \"; \" .items}}{{if .more}}; and {{.more}} more{{end}} — {{.prefix}}filler back 1 brings one back{{else}}Nothing is set aside{{end}}" uses:"items:list,more:int,prefix" jsonschema:"what is set aside"`
	Back   plugins.Text `json:"text_back" default:"Brought back {{.count | plural \"entry\" \"entries\"}}" uses:"user,count:int" jsonschema:"what is said when media that were set aside are filler again"`
	Tagged plugins.Text `json:"text_tagged" default:"{{.title}} is tagged {{if .tags}}{{join \", \" .tags}}{{else}}with nothing{{end}}" uses:"user,title,tags:list" jsonschema:"what is said when media were tagged"`
}

// answer answers a command, in private where the setting says so.
func answer(c *plugins.Context, t plugins.Text, values plugins.Values) ([]event.Envelope, error) {
	if !plugins.SettingsOf[Settings](c).Quiet {
		return c.SayText(t, values), nil
	}
	text := c.Render(t, values)
	if strings.TrimSpace(text) == "" { // the channel wants nothing said
		return nil, nil
	}
	return c.PM(c.Command.User, "%s", text), nil
}
