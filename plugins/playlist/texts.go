package playlist

import (
	"fmt"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// Texts are what the plugin says, but for its errors.
type Texts struct {
	Added    plugins.Text `json:"text_added" default:"✅ added “{{.title}}” ({{.length}}), {{if .next}}it comes next{{else if .number}}number {{.number}}{{else}}it plays now{{end}}" uses:"user,title,length,number:int,next:bool,place" jsonschema:"what is said when something was added"`
	Skipped  plugins.Text `json:"text_skipped" default:"⏭️ skipped “{{.title}}”" uses:"user,title" jsonschema:"what is said when a moderator skipped"`
	VotedOff plugins.Text `json:"text_voted" default:"⏭️ “{{.title}}” is skipped, by votes" uses:"user,title" jsonschema:"what is said when votes skipped"`
	Votes    plugins.Text `json:"text_votes" default:"🗳️ {{.count}} of {{.need}} votes to skip" uses:"user,count:int,need:int" jsonschema:"what is said of a vote"`
	Removed  plugins.Text `json:"text_removed" default:"🗑️ removed “{{.title}}”" uses:"user,title" jsonschema:"what is said when something was removed"`
	Moved    plugins.Text `json:"text_moved" default:"↕️ moved “{{.title}}”" uses:"user,title" jsonschema:"what is said when something was moved"`
	Shuffled plugins.Text `json:"text_shuffled" default:"🔀 the playlist is shuffled" uses:"user" jsonschema:"what is said of a shuffle"`
	Cleared  plugins.Text `json:"text_cleared" default:"🧹 cleared the playlist of {{.count | plural \"item\" \"items\"}}: !undo brings it back" uses:"user,count:int,title" jsonschema:"what is said when the playlist was cleared"`
	Locked   plugins.Text `json:"text_locked" default:"🔒 the playlist is locked" uses:"user" jsonschema:"what is said of a lock"`
	Unlocked plugins.Text `json:"text_unlocked" default:"🔓 the playlist is open" uses:"user" jsonschema:"what is said when the playlist was opened"`

	Wished    plugins.Text `json:"text_wished" default:"📥 the playlist is locked: your wish waits for a moderator, as number {{.number}}" uses:"user,number:int,url" jsonschema:"what is said of an add that waits"`
	Waiting   plugins.Text `json:"text_waiting" default:"📥 {{if .count}}{{.count | plural \"wish\" \"wishes\"}}: {{join \", \" .wishes}}{{if gt .count 5}}, …{{end}}{{else}}Nobody waits for a moderator{{end}}" uses:"count:int,wishes:list" jsonschema:"what waits"`
	Refused   plugins.Text `json:"text_refused" default:"📥 {{if eq .count 1}}{{.url}} is{{else}}{{.count}} wishes are{{end}} not taken{{with .reason}}: {{.}}{{end}}" uses:"user,count:int,url,reason" jsonschema:"what who wished is told when a moderator refused"`
	Withdrawn plugins.Text `json:"text_withdrawn" default:"🗑️ your wish for {{.url}} is taken back" uses:"user,url" jsonschema:"what is said of a wish that was taken back"`
	Skipping  plugins.Text `json:"text_skipping" default:"⏭️ It is being skipped" jsonschema:"what is said of a vote when there were enough"`

	Playing  plugins.Text `json:"text_playing" default:"{{if .url}}▶️ “{{.title}}” ({{.at}} of {{.length}}){{with .by}}, added by {{.}}{{end}} {{.url}}{{else}}⏹️ Nothing plays{{end}}" uses:"title,at,length,by,url" jsonschema:"what plays"`
	Next     plugins.Text `json:"text_next" default:"⏭️ {{if .title}}“{{.title}}” ({{.length}}){{with .in}}, in {{.}}{{end}}{{else}}Nothing comes next: add something with {{.prefix}}add{{end}}" uses:"title,length,in,prefix" jsonschema:"what comes next"`
	Queue    plugins.Text `json:"text_queue" default:"📃 {{if .count}}{{.count | plural \"item\" \"items\"}}, {{.length}}: {{join \", \" .items}}{{else}}Nothing waits on the playlist{{end}}" uses:"count:int,length,items:list" jsonschema:"what is on the playlist"`
	Who      plugins.Text `json:"text_who" default:"👤 “{{.title}}”, {{if .by}}added by {{.by}}{{else}}nobody knows who added it{{end}}" uses:"title,by" jsonschema:"who added something"`
	Last     plugins.Text `json:"text_last" default:"⏮️ {{if .items}}{{join \", \" .items}}{{else}}Nothing has played here yet{{end}}" uses:"items:list" jsonschema:"what played"`
	LastItem plugins.Text `json:"text_last_item" default:"“{{.title}}” ({{duration .ago}} ago)" uses:"title,ago:duration" jsonschema:"one of what played"`

	Saved   plugins.Text `json:"text_saved" default:"📼 saved {{.count | plural \"item\" \"items\"}} as {{.name}}{{if .replaced}}, in place of {{.replaced | plural \"item\" \"items\"}}{{end}}{{if .lost}}, without {{.lost}} that cannot be queued again{{end}}" uses:"name,count:int,replaced:int,lost:int" jsonschema:"what is said when a playlist was saved"`
	Unsaved plugins.Text `json:"text_unsaved" default:"🗑️ removed the saved playlist {{.name}} of {{.count | plural \"item\" \"items\"}}" uses:"name,count:int" jsonschema:"what is said when a saved playlist was removed"`
	Lists   plugins.Text `json:"text_lists" default:"📼 {{if .lists}}{{join \", \" .lists}}{{else}}No playlist is saved: {{.prefix}}playlists save NAME saves this one{{end}}" uses:"lists:list,prefix" jsonschema:"which playlists are saved"`

	Change   plugins.Text `json:"text_change" default:"{{if eq .kind \"add\"}}the adding of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"remove\"}}the removal of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"clear\"}}the clearing of {{.count | plural \"item\" \"items\"}}{{else if eq .kind \"skip\"}}the skip of “{{.title}}”{{else if eq .kind \"move\"}}a move{{else if eq .kind \"shuffle\"}}a shuffle{{else if eq .kind \"lock\"}}the locking{{else if eq .kind \"unlock\"}}the opening{{else}}what is temporary{{end}}" uses:"kind,count:int,title" jsonschema:"the name of a change that is undone, whose kind is add, remove, clear, skip, move, shuffle, lock, unlock or temp"`
	Undone   plugins.Text `json:"text_undone" default:"↩️ undone: {{.change}}" uses:"change" jsonschema:"what is said when a lock was undone"`
	Undoing  plugins.Text `json:"text_undoing" default:"undoing {{.change}} of {{duration .ago}} ago{{if eq .kind \"skip\"}}, from its beginning{{end}}" uses:"change,kind,ago:duration" jsonschema:"the name of an undo that is under way"`
	Loading  plugins.Text `json:"text_loading" default:"adding {{.name}}" uses:"name" jsonschema:"the name of the adding of a saved playlist"`
	Begun    plugins.Text `json:"text_begun" default:"⏳ {{.work}}: {{.count | plural \"item\" \"items\"}}, which takes a while" uses:"work,count:int" jsonschema:"what is said when a long work begins"`
	Progress plugins.Text `json:"text_progress" default:"⏳ {{.work}}: {{.done}} of {{.count}}" uses:"work,done:int,count:int" jsonschema:"what is said while it goes on"`
	Finished plugins.Text `json:"text_finished" default:"✅ {{.work}}{{if .failed}}: {{.done}} of {{.count | plural \"item\" \"items\"}}, {{.failed}} not: {{.reason}}{{else if .count}}: {{.done | plural \"item\" \"items\"}}{{end}}" uses:"work,done:int,count:int,failed:int,reason" jsonschema:"what is said when it ended"`
	Stopped  plugins.Text `json:"text_stopped" default:"✋ stopped {{.work}} at {{.done}} of {{.count}}" uses:"work,done:int,count:int" jsonschema:"what is said when it was stopped"`
}

// tell answers a command whose outcome came later: where it was typed, or privately.
func tell(c *plugins.Context, a *asked, quiet bool, format string, args ...any) []event.Envelope {
	text := fmt.Sprintf(format, args...)
	if text == "" { // the channel wants nothing said
		return nil
	}
	if a.Private || quiet {
		return c.PM(a.User, "%s", text)
	}
	return c.Say("%s: %s", a.User, text)
}

// quoted quotes a title, shortened.
func quoted(title string) string { return "“" + plugins.Shorten(title, 80) + "”" }

// length returns the length of media as clock does; live for 0.
func length(seconds int) string {
	if seconds <= 0 {
		return "live"
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
