package playlist

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin says.
type Texts struct {
	Added     plugins.Text `json:"text_added" default:"✅ added “{{.title}}” ({{.length}}), {{if .next}}it comes next{{else if .number}}number {{.number}}{{else}}it plays now{{end}}" uses:"user,title,length,number:int,next:bool,place" jsonschema:"what is said when something was added"`
	AddedGone plugins.Text `json:"text_added_gone" default:"✅ {{.url}}" uses:"user,url" jsonschema:"what is said when something was added and has gone again"`
	Skipped   plugins.Text `json:"text_skipped" default:"⏭️ skipped “{{.title}}”" uses:"user,title" jsonschema:"what is said when a moderator skipped"`
	VotedOff  plugins.Text `json:"text_voted" default:"⏭️ “{{.title}}” is skipped, by votes" uses:"user,title" jsonschema:"what is said when votes skipped"`
	Votes     plugins.Text `json:"text_votes" default:"🗳️ {{.count}} of {{.need}} votes to skip" uses:"user,count:int,need:int" jsonschema:"what is said of a vote"`
	Removed   plugins.Text `json:"text_removed" default:"🗑️ removed “{{.title}}”" uses:"user,title" jsonschema:"what is said when something was removed"`
	Moved     plugins.Text `json:"text_moved" default:"↕️ moved “{{.title}}”" uses:"user,title" jsonschema:"what is said when something was moved"`
	Shuffled  plugins.Text `json:"text_shuffled" default:"🔀 the playlist is shuffled" uses:"user" jsonschema:"what is said of a shuffle"`
	Cleared   plugins.Text `json:"text_cleared" default:"🧹 cleared the playlist of {{.count | plural \"item\" \"items\"}}: !undo brings it back" uses:"user,count:int,title" jsonschema:"what is said when the playlist was cleared"`
	Locked    plugins.Text `json:"text_locked" default:"🔒 the playlist is locked" uses:"user" jsonschema:"what is said of a lock"`
	Unlocked  plugins.Text `json:"text_unlocked" default:"🔓 the playlist is open" uses:"user" jsonschema:"what is said when the playlist was opened"`

	Wished      plugins.Text `json:"text_wished" default:"📥 the playlist is locked: your wish waits for a moderator, as number {{.number}}" uses:"user,number:int,url" jsonschema:"what is said of an add that waits"`
	Waiting     plugins.Text `json:"text_waiting" default:"📥 {{if .count}}{{.count | plural \"wish\" \"wishes\"}}: {{join \", \" .wishes}}{{if gt .count 5}}, …{{end}}{{else}}Nobody waits for a moderator{{end}}" uses:"count:int,wishes:list" jsonschema:"what waits"`
	WaitingItem plugins.Text `json:"text_waiting_item" default:"#{{.number}} {{.user}}: {{.url}}" uses:"number:int,user,url" jsonschema:"one of what waits"`
	Refused     plugins.Text `json:"text_refused" default:"📥 {{if eq .count 1}}{{.url}} is{{else}}{{.count}} wishes are{{end}} not taken{{with .reason}}: {{.}}{{end}}" uses:"user,count:int,url,reason" jsonschema:"what who wished is told when a moderator refused"`
	Withdrawn   plugins.Text `json:"text_withdrawn" default:"🗑️ your wish for {{.url}} is taken back" uses:"user,url" jsonschema:"what is said of a wish that was taken back"`
	Skipping    plugins.Text `json:"text_skipping" default:"⏭️ It is being skipped" jsonschema:"what is said of a vote when there were enough"`

	Playing   plugins.Text `json:"text_playing" default:"{{if .url}}▶️ “{{.title}}” ({{.at}} of {{.length}}){{with .by}}, added by {{.}}{{end}} {{.url}}{{else}}⏹️ Nothing plays{{end}}" uses:"title,at,length,by,url" jsonschema:"what plays"`
	Next      plugins.Text `json:"text_next" default:"⏭️ {{if .title}}“{{.title}}” ({{.length}}){{with .in}}, in {{.}}{{end}}{{else}}Nothing comes next: add something with {{.prefix}}add{{end}}" uses:"title,length,in,prefix" jsonschema:"what comes next"`
	Queue     plugins.Text `json:"text_queue" default:"📃 {{if .count}}{{.count | plural \"item\" \"items\"}}, {{.length}}: {{join \", \" .items}}{{else}}Nothing waits on the playlist{{end}}" uses:"count:int,length,items:list" jsonschema:"what is on the playlist"`
	QueueItem plugins.Text `json:"text_queue_item" default:"#{{.number}} “{{.title}}”{{with .length}} ({{.}}){{end}}" uses:"number:int,title,length" jsonschema:"one of what is on the playlist, or of what a command may mean"`
	Live      plugins.Text `json:"text_live" default:"live" jsonschema:"the length of what has none"`
	Who       plugins.Text `json:"text_who" default:"👤 “{{.title}}”, {{if .by}}added by {{.by}}{{else}}nobody knows who added it{{end}}" uses:"title,by" jsonschema:"who added something"`
	Last      plugins.Text `json:"text_last" default:"⏮️ {{if .items}}{{join \", \" .items}}{{else}}Nothing has played here yet{{end}}" uses:"items:list" jsonschema:"what played"`
	LastItem  plugins.Text `json:"text_last_item" default:"“{{.title}}” ({{duration .ago}} ago)" uses:"title,ago:duration" jsonschema:"one of what played"`

	Saved   plugins.Text `json:"text_saved" default:"📼 saved {{.count | plural \"item\" \"items\"}} as {{.name}}{{if .replaced}}, in place of {{.replaced | plural \"item\" \"items\"}}{{end}}{{if .lost}}, without {{.lost}} that cannot be queued again{{end}}" uses:"name,count:int,replaced:int,lost:int" jsonschema:"what is said when a playlist was saved"`
	Unsaved plugins.Text `json:"text_unsaved" default:"🗑️ removed the saved playlist {{.name}} of {{.count | plural \"item\" \"items\"}}" uses:"name,count:int" jsonschema:"what is said when a saved playlist was removed"`
	Lists   plugins.Text `json:"text_lists" default:"📼 {{if .lists}}{{join \", \" .lists}}{{else}}No playlist is saved: {{.prefix}}playlists save NAME saves this one{{end}}" uses:"lists:list,prefix" jsonschema:"which playlists are saved"`

	List plugins.Text `json:"text_list" default:"{{.name}} ({{.count}})" uses:"name,count:int" jsonschema:"one of the saved playlists"`

	Change   plugins.Text `json:"text_change" default:"{{if eq .kind \"add\"}}the adding of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"remove\"}}the removal of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"clear\"}}the clearing of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"skip\"}}the skip of “{{.title}}”{{else if eq .kind \"move\"}}a move{{else if eq .kind \"shuffle\"}}a shuffle{{else if eq .kind \"lock\"}}the locking{{else if eq .kind \"unlock\"}}the opening{{else}}what is temporary{{end}}" uses:"kind,count:int,title" jsonschema:"the name of a change that is undone, whose kind is add, remove, clear, skip, move, shuffle, lock, unlock or temp"`
	Undone   plugins.Text `json:"text_undone" default:"↩️ undone: {{.change}}" uses:"change" jsonschema:"what is said when a lock was undone"`
	Undoing  plugins.Text `json:"text_undoing" default:"undoing {{.change}} of {{duration .ago}} ago{{if eq .kind \"skip\"}}, from its beginning{{end}}" uses:"change,kind,ago:duration" jsonschema:"the name of an undo that is under way"`
	Loading  plugins.Text `json:"text_loading" default:"adding {{.name}}" uses:"name" jsonschema:"the name of the adding of a saved playlist"`
	Begun    plugins.Text `json:"text_begun" default:"⏳ {{.work}}: {{.count | plural \"item\" \"items\"}}, which takes a while" uses:"work,count:int" jsonschema:"what is said when a long work begins"`
	Progress plugins.Text `json:"text_progress" default:"⏳ {{.work}}: {{.done}} of {{.count}}" uses:"work,done:int,count:int" jsonschema:"what is said while it goes on"`
	Finished plugins.Text `json:"text_finished" default:"✅ {{.work}}{{if .failed}}: {{.done}} of {{.count | plural \"item\" \"items\"}}, {{.failed}} not: {{.reason}}{{else if .count}}: {{.done | plural \"item\" \"items\"}}{{end}}" uses:"work,done:int,count:int,failed:int,reason" jsonschema:"what is said when it ended"`
	Stopped  plugins.Text `json:"text_stopped" default:"✋ stopped {{.work}} at {{.done}} of {{.count}}" uses:"work,done:int,count:int" jsonschema:"what is said when it was stopped"`

	NotDone   plugins.Text `json:"text_not_done" default:"❌ could not {{if eq .kind \"add\"}}add it{{else if eq .kind \"remove\"}}remove it{{else if eq .kind \"move\"}}move it{{else if eq .kind \"shuffle\"}}shuffle{{else if eq .kind \"clear\"}}clear the playlist{{else if eq .kind \"lock\"}}lock the playlist{{else if eq .kind \"unlock\"}}open the playlist{{else if eq .kind \"undo\"}}undo that{{else}}skip{{end}}: {{.reason}}" uses:"user,kind,title,reason" jsonschema:"what is said of what was not done, whose kind is add, skip, voteskip, remove, move, shuffle, clear, lock, unlock or undo"`
	NoReason  plugins.Text `json:"text_no_reason" default:"{{if .expired}}it took too long until it could be done{{else}}the channel did not confirm it{{end}}" uses:"expired:bool" jsonschema:"the reason where the channel said none"`
	NotStays  plugins.Text `json:"text_not_stays" default:"❌ “{{.title}}” does not stay on the playlist: {{.reason}}" uses:"user,title,reason" jsonschema:"what is said of what is taken off the playlist again; reason is text_unfit or text_banned"`
	Unfit     plugins.Text `json:"text_unfit" default:"{{if eq .why \"live\"}}it is live, or its length is not known, and the channel limits lengths{{else if eq .why \"short\"}}it is {{.length}} long, and the shortest allowed is {{duration .most}}{{else if eq .why \"long\"}}it is {{.length}} long, and the longest allowed is {{duration .most}}{{else}}with it you would have {{.minutes | plural \"minute\" \"minutes\"}} on the playlist, and the most is {{.max_minutes | plural \"minute\" \"minutes\"}}{{end}}" uses:"why,length,most:duration,minutes:int,max_minutes:int" jsonschema:"why something does not stay, which is live, short, long or much"`
	NotPlayed plugins.Text `json:"text_banned" default:"{{if eq .why \"user\"}}you may not add here{{else if eq .why \"link\"}}that video is not played here{{else}}that is not played here{{end}}" uses:"why,title" jsonschema:"what is said of what the setting banned has, which is a user, a link or a title"`

	Usage         plugins.Text `json:"text_usage" default:"{{if eq .for \"add\"}}say what to add, one link, for example {{.prefix}}add https://youtu.be/dQw4w9WgXcQ{{else if eq .for \"which\"}}say which: by its title, its place as {{.prefix}}queue shows it, or its link{{else if eq .for \"move\"}}say what to move and where to, for example {{.prefix}}move 5 to 1, or {{.prefix}}move Metropolis next{{else if eq .for \"lock\"}}write {{.prefix}}lock on, or {{.prefix}}lock off{{else if eq .for \"playlists\"}}write {{.prefix}}playlists save, load or rm, and a name{{else if eq .for \"wishes\"}}write {{.prefix}}wishes, {{.prefix}}wishes accept 2, {{.prefix}}wishes accept all, or {{.prefix}}wishes refuse 2 and why{{else}}write {{.prefix}}undo for the last change, {{.prefix}}undo clear for the last of a kind ({{join \", \" .kinds}}), or {{.prefix}}undo stop{{end}}" uses:"for,prefix,kinds:list" jsonschema:"what is said where a command is not understood, which is add, which (of an item), move, lock, playlists, wishes or undo"`
	BadPlace      plugins.Text `json:"text_bad_place" default:"\"{{.text}}\" is no place: write a number as {{.prefix}}queue shows, next or last" uses:"text,prefix" jsonschema:"what is said of what is no place on the playlist"`
	BadNumber     plugins.Text `json:"text_bad_number" default:"\"{{.text}}\" is no number of 1 to 10" uses:"text" jsonschema:"what is said of what is no number for !last"`
	WholeList     plugins.Text `json:"text_whole_list" default:"that is a whole playlist: add its videos one by one, or have a moderator queue it on the site" uses:"url" jsonschema:"what is said of a link to a playlist"`
	NothingPlays  plugins.Text `json:"text_nothing_plays" default:"nothing plays" jsonschema:"what is said where nothing plays"`
	NothingYours  plugins.Text `json:"text_nothing_yours" default:"nothing that you added waits on the playlist" uses:"user" jsonschema:"what is said to who takes back and has added nothing"`
	Empty         plugins.Text `json:"text_empty" default:"the playlist is empty already" jsonschema:"what is said where there is nothing to clear"`
	NotFound      plugins.Text `json:"text_not_found" default:"“{{.title}}” is not on the playlist" uses:"title" jsonschema:"what is said of what is not on the playlist"`
	Ambiguous     plugins.Text `json:"text_which" default:"which of {{.count}}: {{join \", \" .items}}? Say its number" uses:"count:int,items:list" jsonschema:"what is said where a command may mean several items, each as text_queue_item"`
	There         plugins.Text `json:"text_there" default:"“{{.title}}” {{if .plays}}plays now{{else}}is on the playlist already{{end}}" uses:"title,plays:bool" jsonschema:"what is said of what is on the playlist already"`
	Repeat        plugins.Text `json:"text_repeat" default:"“{{.title}}” played here {{duration .ago}} ago: not again within {{plural \"day\" \"days\" .days}}" uses:"title,ago:duration,days:int" jsonschema:"what is said of what played within repeat_days"`
	NotNext       plugins.Text `json:"text_not_next" default:"you may add, but not next: that needs rank {{.rank}}" uses:"user,rank:int" jsonschema:"what is said to who may not add next"`
	Closed        plugins.Text `json:"text_closed" default:"the playlist is locked{{if .waiting}}, and {{.waiting}} wishes wait already{{else}}: only moderators add now{{end}}" uses:"user,waiting:int" jsonschema:"what is said of an add while the playlist is locked, where it does not wait, or as many wait as may"`
	Limit         plugins.Text `json:"text_limit" default:"{{if eq .of \"turns\"}}the last item is yours: let somebody else add one first{{else}}{{if .guests}}guests have together{{else}}you have{{end}} {{if eq .of \"hour\"}}added {{.count | plural \"item\" \"items\"}} within the hour, which is the most{{else}}{{if eq .of \"items\"}}{{.count | plural \"item\" \"items\"}}{{else}}{{.count | plural \"minute\" \"minutes\"}}{{end}} on the playlist, which is the most: wait until one was played{{end}}{{end}}" uses:"of,guests:bool,count:int" jsonschema:"what is said at a limit of a person, which is of items, minutes, hour or turns"`
	OnlyHere      plugins.Text `json:"text_only_here" default:"only who is in the channel votes" uses:"user" jsonschema:"what is said to who votes and is not in the channel"`
	AlreadyWished plugins.Text `json:"text_wished_already" default:"{{.user}} wished for that already: it waits as number {{.number}}" uses:"user,number:int" jsonschema:"what is said of a wish that somebody has already"`
	NoWish        plugins.Text `json:"text_no_wish" default:"no such wish waits: {{.prefix}}wishes lists them" uses:"prefix" jsonschema:"what is said of a wish that does not wait"`
	ListName      plugins.Text `json:"text_list_name" default:"say a name of 1 to {{.most}} characters, for example {{.prefix}}playlists {{.what}} friday" uses:"most:int,prefix,what" jsonschema:"what is said where a saved playlist has no name"`
	NoList        plugins.Text `json:"text_no_list" default:"no playlist “{{.name}}” is saved{{with .near}}: did you mean {{.}}?{{end}}" uses:"name,near" jsonschema:"what is said of a playlist that is not saved"`
	NotSaved      plugins.Text `json:"text_not_saved" default:"{{if .count}}the playlist has {{.count}} items, and at most {{.most}} are saved: nothing was saved{{else}}there is nothing on the playlist that can be saved{{end}}" uses:"count:int,most:int" jsonschema:"what is said where a playlist has too much or nothing to be saved"`
	AllThere      plugins.Text `json:"text_all_there" default:"all of {{.name}} is on the playlist already" uses:"name" jsonschema:"what is said of a saved playlist that is on the playlist"`
	Busy          plugins.Text `json:"text_busy" default:"{{.work}} is under way, {{.done}} of {{.count}}: wait, or write {{.prefix}}undo stop" uses:"work,done:int,count:int,prefix" jsonschema:"what is said while a long work goes on"`
	NotBegun      plugins.Text `json:"text_not_begun" default:"{{.work}}: {{.reason}}" uses:"work,reason" jsonschema:"what is said of a long work of which the bot may do nothing"`
	Idle          plugins.Text `json:"text_idle" default:"nothing is under way" jsonschema:"what is said where there is nothing to stop"`
	Unchanged     plugins.Text `json:"text_unchanged" default:"nothing was changed within {{duration .within}} that is not undone" uses:"within:duration" jsonschema:"what is said where there is nothing to undo"`
}

func settings(c *plugins.Context) Settings { return plugins.SettingsOf[Settings](c) }

// usage returns the error of a command that is not understood.
func usage(c *plugins.Context, of string) error {
	return c.Refuse(event.InvalidInput, settings(c).Usage, plugins.Values{"for": of, "prefix": c.Prefix(), "kinds": slices.Sorted(maps.Keys(kinds))})
}

// nothingPlays returns the error of what needs something that plays.
func nothingPlays(c *plugins.Context) error {
	return c.Refuse(event.RecordNotFound, settings(c).NothingPlays, nil)
}

// to returns whom the answer to a command is for whose outcome came later: where it was typed, or
// privately.
func (a *asked) to(quiet bool) plugins.Recipient {
	return plugins.Recipient{User: a.User, Private: a.Private || quiet}
}

// short shortens a title.
func short(title string) string { return plugins.Shorten(title, 80) }

// row returns an item of the playlist as one of several.
func row(c *plugins.Context, number int, title, length string) string {
	return c.Render(settings(c).QueueItem, plugins.Values{"number": number, "title": short(title), "length": length})
}

// length returns the length of media as clock does; live for 0.
func length(c *plugins.Context, seconds int) string {
	if seconds <= 0 {
		return c.Render(settings(c).Live, nil)
	}
	return clock(seconds)
}

// clock returns seconds as 3:20 or 1:02:03.
func clock(seconds int) string {
	if seconds < 3600 {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
