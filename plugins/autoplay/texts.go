package autoplay

import (
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin says.
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
	Entry     plugins.Text `json:"text_schedule" default:"{{.number}}. {{.what}} in {{duration .left}}, on {{.on}}{{with .repeats}}, then {{.}}{{end}}" uses:"number:int,what,by,left:duration,at:time,on,repeats" jsonschema:"one of what is scheduled, on a time in the setting zone, which at is too; repeats is text_repeats"`
	Repeats   plugins.Text `json:"text_repeats" default:"{{if .cron}}cron {{.cron}}{{else if eq .n 1}}every {{.unit}}{{else if .n}}every {{.n}} {{.unit}}s{{end}}" uses:"n:int,unit,cron" jsonschema:"how a schedule goes on: after a number of units, which are minute, hour, day, week, month or year, or by a cron expression"`
	On        plugins.Text `json:"text_on" default:"{{if eq .day 1}}Mon{{else if eq .day 2}}Tue{{else if eq .day 3}}Wed{{else if eq .day 4}}Thu{{else if eq .day 5}}Fri{{else if eq .day 6}}Sat{{else}}Sun{{end}} {{.date}} {{.zone}}" uses:"day:int,date,zone,at:time" jsonschema:"a time with its day of the week, 0 for Sunday"`
	Damaged   plugins.Text `json:"text_damaged" default:"{{.what}} (damaged: remove it)" uses:"number:int,what" jsonschema:"one of what is scheduled whose record is damaged"`
	Scheduled plugins.Text `json:"text_scheduled" default:"📅 {{.schedule}}" uses:"user,schedule" jsonschema:"what is said when something was scheduled, or for another time; schedule is text_schedule"`
	Cancelled plugins.Text `json:"text_cancelled" default:"🗑️ Removed {{.number}}: {{.what}}" uses:"user,number:int,what" jsonschema:"what is said when a schedule was removed"`

	Programme  plugins.Text `json:"text_programme" default:"{{.name}} ({{if .series}}series, {{.played}} of {{.count | plural \"episode\" \"episodes\"}} played{{else}}{{.count | plural \"item\" \"items\"}}{{end}})" uses:"name,series:bool,played:int,count:int" jsonschema:"a programme in a few words"`
	Programmes plugins.Text `json:"text_programmes" default:"{{if .programmes}}🎬 {{join \"; \" .programmes}}{{else}}There are no programmes: make one with {{.prefix}}programme add NAME LINK…{{end}}" uses:"programmes:list,prefix" jsonschema:"which programmes there are, each as text_programme"`
	Items      plugins.Text `json:"text_items" default:"🎬 {{.programme}}: {{cut 600 (join \", \" .items)}}" uses:"programme,items:list" jsonschema:"what is in a programme"`
	Item       plugins.Text `json:"text_item" default:"{{.number}}. {{.url}}{{if .played}} ✓{{end}}" uses:"number:int,url,played:bool" jsonschema:"one item of a programme, or an episode that was played"`
	Changed    plugins.Text `json:"text_changed" default:"🎬 {{.programme}}" uses:"user,programme" jsonschema:"what is said when a programme was changed; programme is text_programme"`
	Removed    plugins.Text `json:"text_removed" default:"🗑️ Removed {{.programme}}" uses:"user,programme" jsonschema:"what is said when a programme was removed"`
	Loading    plugins.Text `json:"text_loading" default:"🎬 Loading {{.what}}: {{.count | plural \"item\" \"items\"}}" uses:"user,what,count:int" jsonschema:"what is said when a programme begins to load by a command"`

	Status    plugins.Text `json:"text_filler" default:"{{if .on}}Filler is on, from {{join \", \" .from}}: {{.count | plural \"entry\" \"entries\"}}{{with .reason}}; none keeps the rules: {{.}}{{end}}{{if .pause}}; tried again in {{duration .pause}}{{end}}{{else}}Filler is off: an admin turns it on with {{.prefix}}set autoplay.filler true{{end}}" uses:"on:bool,from:list,count:int,reason,pause:duration,prefix" jsonschema:"the state of filler"`
	Aside     plugins.Text `json:"text_aside" default:"{{if .items}}Set aside: {{join \"; \" .items}}{{if .more}}; and {{.more}} more{{end}} — {{.prefix}}filler back 1 brings one back{{else}}Nothing is set aside{{end}}" uses:"items:list,more:int,prefix" jsonschema:"what is set aside"`
	AsideItem plugins.Text `json:"text_aside_item" default:"{{.number}}. {{.title}}: {{.reason}}" uses:"number:int,title,reason" jsonschema:"one of what is set aside"`
	Back      plugins.Text `json:"text_back" default:"Brought back {{.count | plural \"entry\" \"entries\"}}" uses:"user,count:int" jsonschema:"what is said when media that were set aside are filler again"`
	Tagged    plugins.Text `json:"text_tagged" default:"{{.title}} is tagged {{if .tags}}{{join \", \" .tags}}{{else}}with nothing{{end}}" uses:"user,title,tags:list" jsonschema:"what is said when media were tagged"`

	Usage        plugins.Text `json:"text_usage" default:"{{if eq .for \"filler\"}}write {{.prefix}}filler, {{.prefix}}filler aside, or {{.prefix}}filler back 1{{else if eq .for \"tag\"}}write {{.prefix}}tag horror for what plays, or {{.prefix}}tag horror LINK; {{.prefix}}tag -horror takes it away{{else if eq .for \"add\"}}say a name and links, for example {{.prefix}}programme add Metropolis https://youtu.be/… https://youtu.be/…{{else if eq .for \"start\"}}say which one, for example {{.prefix}}programme start Metropolis{{else if eq .for \"rm\"}}say which one, for example {{.prefix}}programme rm Metropolis, or … rm Metropolis 2 for its second item{{else if eq .for \"rewind\"}}say which one, for example {{.prefix}}programme rewind NAME{{else}}write {{.prefix}}programme series NAME on, or … off{{end}}" uses:"for,prefix" jsonschema:"what is said where a command is not understood, which is filler, tag, or a word of !programme: add, start, rm, rewind or series"`
	WhatToPlay   plugins.Text `json:"text_what" default:"say what is to be played: {{.prefix}}schedule {{.when}} NAME or LINK" uses:"prefix,when" jsonschema:"what is said where a schedule has a time only"`
	WhichNumber  plugins.Text `json:"text_which" default:"{{if .text}}\"{{.text}}\" is no number of a schedule: see {{.prefix}}calendar{{else}}say which one by its number in {{.prefix}}calendar: {{.prefix}}schedule {{.example}}{{end}}" uses:"text,prefix,example" jsonschema:"what is said where a schedule has no number"`
	NoSchedule   plugins.Text `json:"text_no_schedule" default:"there is no schedule {{.number}}: see {{.prefix}}calendar" uses:"number:int,prefix" jsonschema:"what is said of a schedule that there is not"`
	NoZone       plugins.Text `json:"text_no_zone" default:"the setting zone is \"{{.zone}}\", which is no time zone: an admin sets it with {{.prefix}}set autoplay.zone Europe/Berlin" uses:"zone,prefix" jsonschema:"what is said where the setting zone is none"`
	Full         plugins.Text `json:"text_full" default:"{{if eq .of \"items\"}}a programme has at most {{.most}} items{{else}}there are {{.most}} {{.of}} already: remove one first{{end}}" uses:"of,most:int" jsonschema:"what is said where there are too many schedules, programmes, or items of a programme"`
	NoProgramme  plugins.Text `json:"text_no_programme" default:"there is no programme \"{{.name}}\"{{with .near}}: did you mean {{.}}?{{end}}" uses:"name,near" jsonschema:"what is said of a programme that there is not"`
	NoItem       plugins.Text `json:"text_no_item" default:"{{.name}} has no item {{.number}}: see {{.prefix}}programme {{.name}}" uses:"name,number:int,prefix" jsonschema:"what is said of an item that a programme has not"`
	BadName      plugins.Text `json:"text_bad_name" default:"{{if .most}}{{if .tag}}a tag{{else}}a name{{end}} has 1 to {{.most}} characters{{else}}{{.name}} cannot be a name, it is a command{{end}}" uses:"name,tag:bool,most:int" jsonschema:"what is said of a name or tag that is too long, or of a name that is a command"`
	AllPlayed    plugins.Text `json:"text_all_played" default:"all of {{.name}} was played: {{.prefix}}programme rewind {{.name}} begins it anew" uses:"name,prefix" jsonschema:"what is said of a series that is over"`
	WholeList    plugins.Text `json:"text_whole_list" default:"{{.link}} is a playlist of its site: name its videos" uses:"link" jsonschema:"what is said of a link to a playlist"`
	Ambiguous    plugins.Text `json:"text_ambiguous" default:"{{.text}} may be {{join \" or \" .titles}}: write more of the title" uses:"text,titles:list" jsonschema:"what is said where several titles have a text"`
	NotFound     plugins.Text `json:"text_not_found" default:"there is no programme, saved playlist, link or title \"{{.text}}\": make one with {{.prefix}}programme add NAME LINK…" uses:"text,prefix" jsonschema:"what is said of what is not found"`
	NothingAside plugins.Text `json:"text_not_aside" default:"nothing that is set aside has the number {{.number}}: see {{.prefix}}filler aside" uses:"number,prefix" jsonschema:"what is said where nothing set aside has a number"`
	NothingPlays plugins.Text `json:"text_nothing_plays" default:"nothing plays: write {{.prefix}}tag {{.tag}} LINK" uses:"prefix,tag" jsonschema:"what is said where nothing plays that could be tagged"`
}

// to returns whom an answer to a command is for: who asked, where the setting says so.
func (s Settings) to(c *plugins.Context) plugins.Recipient {
	if !s.Quiet {
		return plugins.Recipient{}
	}
	return plugins.Recipient{User: c.Command.User, Private: true}
}

// usage returns the error of a command that is not understood.
func usage(c *plugins.Context, of string) error {
	return c.Refuse(event.InvalidInput, settings(c).Usage, plugins.Values{"for": of, "prefix": c.Prefix()})
}

// full returns the error of what there is too much of.
func full(c *plugins.Context, of string, most int) error {
	return c.Refuse(event.InvalidInput, settings(c).Full, plugins.Values{"of": of, "most": most})
}

// stamp returns a time with its day of the week.
func stamp(c *plugins.Context, t time.Time) string {
	return c.Render(settings(c).On, plugins.Values{"day": int(t.Weekday()), "date": t.Format("2006-01-02 15:04"), "zone": timeparse.ZoneName(t), "at": t})
}

func settings(c *plugins.Context) Settings { return plugins.SettingsOf[Settings](c) }
