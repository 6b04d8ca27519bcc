package event

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Subjects of events that come from CyTube (contract: CyTube Events).
const (
	SubjectChat        = "cytube.chat"         // a chat line
	SubjectPM          = "cytube.pm"           // a private message
	SubjectUserJoin    = "cytube.user.join"    // a user joined the channel
	SubjectUserLeave   = "cytube.user.leave"   // a user left the channel
	SubjectUserRank    = "cytube.user.rank"    // a user's rank changed
	SubjectMediaChange = "cytube.media.change" // another item plays
	SubjectMediaQueue  = "cytube.media.queue"  // an item was queued
	SubjectMediaDelete = "cytube.media.delete" // an item was taken off the playlist
	SubjectConnection  = "cytube.connection"   // the connector went up or down
	SubjectDelivery    = "cytube.delivery"     // the outcome of a send
	SubjectErasure     = "cytube.erasure"      // stored events were erased because somebody asked for it
)

// The actions of a moderator, or of the site itself: the last token of
// cytube.moderation.{action}.
const (
	ActionKick       = "kick"
	ActionBan        = "ban"
	ActionUnban      = "unban"
	ActionMute       = "mute"
	ActionShadowMute = "shadow_mute" // others do not see what the user says, and the user does not know
	ActionUnmute     = "unmute"
	ActionRank       = "rank"  // the rank of a user who is not in the channel
	ActionClear      = "clear" // of the chat of everybody
)

// ModerationSubject returns cytube.moderation.{action}.
func ModerationSubject(action string) string { return "cytube.moderation." + action }

// Subjects of what is said in a channel (contract: cytube.send.*).
const (
	SubjectSendChat  = "cytube.send.chat"
	SubjectSendPM    = "cytube.send.pm"
	SubjectSendEmote = "cytube.send.emote"
)

// AllOutboxes matches OutboxSubject of every channel.
const AllOutboxes = "cytube.outbox.*"

// OutboxSubject returns cytube.outbox.{channel}, which names the sends without a channel
// that this one speaks. Earlier releases stored there which sends waited for a channel.
func OutboxSubject(channel string) string { return "cytube.outbox." + strings.ToLower(channel) }

// Subjects of the platform itself (contract: Platform Events).
const (
	SubjectStartup   = "platform.startup"
	SubjectShutdown  = "platform.shutdown"
	SubjectHeartbeat = "platform.heartbeat"
	SubjectOperation = "platform.operation" // one of Rosey's additions
	SubjectSettings  = "platform.settings"  // one of Rosey's additions
	SubjectGrant     = "platform.grant"     // one of Rosey's additions
	SubjectClock     = "platform.clock"     // one of Rosey's additions
)

// Subjects of the database service (contract: Database Events); the last three
// are Rosey's additions.
const (
	SubjectGet         = "database.get"
	SubjectSet         = "database.set"
	SubjectQuery       = "database.query"
	SubjectDelete      = "database.delete"
	SubjectUpdate      = "database.update"
	SubjectBatch       = "database.batch"
	SubjectCollections = "database.collections"
)

// Patterns of groups of subjects. A NATS `*` matches exactly one token, so
// `cytube.*` would miss `cytube.user.join`; these do not.
const (
	AllCytube     = "cytube.>"
	AllModeration = "cytube.moderation.*"
	AllSends      = "cytube.send.>"
	AllSpeech     = "cytube.send.*" // what is said: chat lines, private messages and emotes
	AllPlugin     = "plugin.>"
	AllCommands   = "plugin.*.command"
	AllSchedules  = "plugin.*.schedule.>" // JetStream schedules; see ScheduleSubject
	AllDue        = "plugin.*.due.>"      // the targets of schedules; see DueSubject
	AllPlatform   = "platform.>"
	AllDatabase   = "database.>"
)

// Types of the events that Rosey itself emits in a plugin's namespace, as
// plugin.{name}.event.{type}. A plugin's own events have others: see Reserved.
const (
	TypeDeadLetter  = "dead_letter"         // a dead letter
	TypeDeadRetried = "dead_letter_retried" // a dead letter was retried
	TypeDeadDropped = "dead_letter_dropped" // a dead letter was dropped
	TypeExpired     = "expired"             // an event was too old to be handled
	TypeDenied      = "denied"              // a command was refused: rank, cooldown, disabled or quiet hours
)

// Reserved returns an INVALID_INPUT error for a type of plugin event that Rosey itself
// emits. The contract leaves the payload of plugin.{name}.event to the plugin, but readers
// of dead letters, expirations and denials must be able to rely on theirs.
func Reserved(kind string) error {
	switch kind {
	case TypeDeadLetter, TypeDeadRetried, TypeDeadDropped, TypeExpired, TypeDenied:
		return Errorf(InvalidInput, "%s is a type of event that Rosey itself emits: give the plugin's own event another type", kind).With("field", "event_type")
	}
	return nil
}

// MaxNameLength is the longest plugin name and subject token, in bytes.
const MaxNameLength = 64

// ValidName reports whether name can be a plugin's name or another single token
// of a subject: 1 to MaxNameLength of A-Z a-z 0-9 _ and -.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxNameLength {
		return false
	}
	for i := range len(name) {
		if !isWordByte(name[i]) {
			return false
		}
	}
	return true
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// CommandSubject returns plugin.{name}.command, where the router puts a plugin's
// commands. The name must be valid (see ValidName).
func CommandSubject(plugin string) string { return "plugin." + plugin + ".command" }

// EventSubject returns plugin.{name}.event followed by the given tokens, where a
// plugin emits its own events; prefer a specific type such as "game_start".
func EventSubject(plugin string, tokens ...string) string {
	return join("plugin."+plugin+".event", tokens)
}

// RequestSubject returns plugin.{name}.request followed by the given tokens, where a
// plugin answers requests.
func RequestSubject(plugin string, tokens ...string) string {
	return join("plugin."+plugin+".request", tokens)
}

func join(base string, tokens []string) string {
	if len(tokens) == 0 {
		return base
	}
	return base + "." + strings.Join(tokens, ".")
}

// ScheduleSubject returns plugin.{name}.schedule.{timer}.{setting}, the subject of a
// JetStream schedule. Each setting of a timer has a subject of its own, since JetStream
// purges the subject of a schedule that fires: a timer set again in that moment would be
// lost.
func ScheduleSubject(plugin, timer, setting string) string {
	return "plugin." + plugin + ".schedule." + timer + "." + setting
}

// DueSubject returns the target subject of a schedule for a plugin's event: plugin.{name}.due
// followed by the tokens after plugin.{name}.event, from where the event is forwarded to
// its own subject. It returns "" for any other event, which cannot be scheduled.
func DueSubject(subject string) string {
	own := EventSubject(PluginOf(subject))
	if rest, ok := strings.CutPrefix(subject, own+"."); ok {
		return strings.TrimSuffix(own, "event") + "due." + rest
	}
	return ""
}

// FromDue is the inverse of DueSubject. It returns any other subject unchanged.
func FromDue(subject string) string {
	if !Match(AllDue, subject) {
		return subject
	}
	plugin := PluginOf(subject)
	return EventSubject(plugin, strings.TrimPrefix(subject, "plugin."+plugin+".due."))
}

// PluginOf returns the name in a plugin.{name}.… subject, or "" for another subject.
func PluginOf(subject string) string {
	rest, isPlugin := strings.CutPrefix(subject, "plugin.")
	if name, _, ok := strings.Cut(rest, "."); ok && isPlugin {
		return name
	}
	return ""
}

// Template returns the subject with a plugin's name replaced by {name}, and a
// channel's by {channel}: what metrics and span names use so that their number
// stays small.
func Template(subject string) string {
	if strings.HasPrefix(subject, "cytube.outbox.") {
		return "cytube.outbox.{channel}"
	}
	name := PluginOf(subject)
	if name == "" {
		return subject
	}
	return "plugin.{name}" + subject[len("plugin.")+len(name):]
}

// Match reports whether a literal subject matches a NATS pattern, in which *
// stands for one token and a final > for one or more.
func Match(pattern, subject string) bool {
	for {
		p, prest, pmore := strings.Cut(pattern, ".")
		if p != "*" && p != ">" && !strings.HasPrefix(subject, p) {
			return false // most patterns differ in the first token
		}
		s, srest, smore := strings.Cut(subject, ".")
		switch {
		case s == "":
			return false
		case p == ">" && !pmore:
			return true
		case p != "*" && p != s, pmore != smore:
			return false
		case !pmore:
			return true
		}
		pattern, subject = prest, srest
	}
}

// LiteralSubjects lists the contract's subjects that have no name in them, sorted.
func LiteralSubjects() []string {
	all := slices.Collect(maps.Keys(schemas.literals))
	for _, action := range []string{ActionKick, ActionBan, ActionUnban, ActionMute, ActionShadowMute, ActionUnmute, ActionRank, ActionClear} {
		all = append(all, ModerationSubject(action))
	}
	slices.Sort(all)
	return all
}

// CheckSubject returns an INVALID_INPUT error unless subject is a literal
// subject of one of the contract's four namespaces (contract: Subject Namespace
// Design).
func CheckSubject(subject string) error {
	_, err := schemaOf(subject)
	return err
}

// schemaOf is CheckSubject that also returns the payload type of the subject, nil for any
// object.
func schemaOf(subject string) (payload reflect.Type, err error) {
	if payload, ok := schemas.literals[subject]; ok {
		return payload, nil
	}
	for t := range strings.SplitSeq(subject, ".") {
		if !ValidName(t) {
			return nil, Errorf(InvalidInput, "subject %q: each part must be 1 to %d of A-Z a-z 0-9 _ -", subject, MaxNameLength)
		}
	}
	if payload, ok := schemas.Find(subject); ok {
		return payload, nil
	}
	return nil, Errorf(InvalidInput, "subject %q is not in the contract: use cytube.*, plugin.{name}.command|event|request, platform.* or database.*", subject)
}

// Owned returns nil if a plugin may publish to subject: its own events, sends and any
// request (contract: Subject Namespace Design). Otherwise
// it returns a PERMISSION_DENIED error that names the rule.
func Owned(plugin, subject string) error {
	own := EventSubject(plugin)
	if subject == own || strings.HasPrefix(subject, own+".") || Match(AllSends, subject) {
		return nil
	}
	return Errorf(PermissionDenied, "plugin %s may publish %s, %s.{type} and %s, not %s", plugin, own, own, AllSends, subject)
}

// Ref names a stored event: its stream and sequence. Its text form, STREAM:SEQ,
// is what metadata.causation_id holds.
type Ref struct {
	Stream string
	Seq    uint64
}

// String returns STREAM:SEQ, or "" for the zero Ref.
func (r Ref) String() string {
	if r == (Ref{}) {
		return ""
	}
	return r.Stream + ":" + strconv.FormatUint(r.Seq, 10)
}

// ParseRef reads STREAM:SEQ.
func ParseRef(s string) (Ref, error) {
	stream, seq, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(seq, 10, 64)
	if r := (Ref{stream, n}); err == nil && stream != "" && r.String() == s {
		return r, nil
	}
	return Ref{}, Errorf(InvalidInput, "%q is not a stored event: write STREAM:SEQ, for example CYTUBE:42", s)
}
