package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/rosey-bot/rosey/internal/markup"
)

// Chat is the payload of cytube.chat: a chat line of the channel, the bot's own included.
type Chat struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Message string `json:"message" contract:"required" mark:"text"` // as it was typed, as far as the server tells
	HTML    string `json:"html,omitempty" mark:"text"`              // as the server shows it, where it put elements into the text
	Channel string `json:"channel" contract:"nonempty"`
	Rank    int    `json:"rank" contract:"required,rank"`        // 0 guest, 1 user, 2 moderator, 3 admin and up; -1 anonymous
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms since the epoch, the server's clock
	Extra   `json:"-"`
}

// Shown returns the line's text as a reader sees it, which is also what earlier releases
// recorded as Message.
func (c Chat) Shown() string {
	if c.HTML == "" {
		return c.Message
	}
	return markup.Plain(c.HTML)
}

// Fingerprint returns a keyed hash of a line as it is shown, by which an Erasure prevents that the line
// is recorded again. Whoever has the key can find out what the line was by trying. Without
// a key it is the hash that erasures of earlier releases have.
func (c Chat) Fingerprint(key []byte) string {
	text := strings.Join([]string{strings.ToLower(c.Channel), strings.ToLower(c.User), strconv.FormatInt(c.Time, 10), string(c.Extra["action"]), c.Shown()}, "\x00")
	sum := sha256.New()
	if len(key) > 0 {
		sum = hmac.New(sha256.New, key)
	}
	sum.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

// PM is the payload of cytube.pm: a private message, received or sent by the bot.
type PM struct {
	User    string `json:"user" contract:"nonempty" mark:"person"` // the author
	To      string `json:"to" contract:"required" mark:"person"`
	Message string `json:"message" contract:"required" mark:"text"` // as it was typed, as far as the server tells
	HTML    string `json:"html,omitempty" mark:"text"`              // as the server shows it, where it put elements into the text
	Channel string `json:"channel" contract:"nonempty"`
	Rank    int    `json:"rank" contract:"required,rank"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// UserJoin is the payload of cytube.user.join.
type UserJoin struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Channel string `json:"channel" contract:"nonempty"`
	Rank    int    `json:"rank" contract:"required,rank"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// UserLeave is the payload of cytube.user.leave.
type UserLeave struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Channel string `json:"channel" contract:"nonempty"`
	Extra   `json:"-"`
}

// UserRank is the payload of cytube.user.rank: a rank that changed.
type UserRank struct {
	User    string `json:"user" contract:"nonempty" mark:"person"`
	Channel string `json:"channel" contract:"nonempty"`
	Rank    int    `json:"rank" contract:"required,rank"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// Moderation is the payload of cytube.moderation.{action}: what a moderator, or
// the site itself, did to a user or to the channel. Of a rank action, Extra's
// rank is the new one, as the server has it.
type Moderation struct {
	User    string `json:"user" contract:"required" mark:"person"` // the target; "" for everybody
	By      string `json:"by" contract:"required" mark:"person"`   // the moderator; "" when the server does not say
	Channel string `json:"channel" contract:"nonempty"`
	Reason  string `json:"reason" contract:"required" mark:"text"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// MediaChange is the payload of cytube.media.change: another item plays.
type MediaChange struct {
	Title    string `json:"title" contract:"required" mark:"text"`
	URL      string `json:"url" contract:"required" mark:"text"`
	Type     string `json:"type" contract:"required"`
	Duration int    `json:"duration" contract:"required,nonnegative"` // seconds
	Channel  string `json:"channel" contract:"nonempty"`
	QueuedBy string `json:"queued_by" contract:"required" mark:"person"` // "" when the server does not say
	Extra    `json:"-"`
}

// MediaQueue is the payload of cytube.media.queue: an item was put on the
// playlist. UID is the server's number for the item on this playlist.
type MediaQueue struct {
	UID      int    `json:"uid" contract:"required"`
	Title    string `json:"title" contract:"required" mark:"text"`
	URL      string `json:"url" contract:"required" mark:"text"`
	Type     string `json:"type" contract:"required"`
	Duration int    `json:"duration" contract:"required,nonnegative"` // seconds
	Channel  string `json:"channel" contract:"nonempty"`
	QueuedBy string `json:"queued_by" contract:"required" mark:"person"`
	Extra    `json:"-"`
}

// MediaDelete is the payload of cytube.media.delete: an item was taken off the
// playlist. All but UID and Channel are "" or 0 when the bot did not know it.
type MediaDelete struct {
	UID      int    `json:"uid" contract:"required"`
	Title    string `json:"title" contract:"required" mark:"text"`
	URL      string `json:"url" contract:"required" mark:"text"`
	Type     string `json:"type" contract:"required"`
	Duration int    `json:"duration" contract:"required,nonnegative"` // seconds
	Channel  string `json:"channel" contract:"nonempty"`
	QueuedBy string `json:"queued_by" contract:"required" mark:"person"`
	Extra    `json:"-"`
}

// The states of a Connection.
const (
	StateUp   = "up"
	StateDown = "down"
)

// Connection is the payload of cytube.connection: the connector joined the
// channel (up) or lost it (down), and why.
type Connection struct {
	Channel string `json:"channel" contract:"nonempty"`
	State   string `json:"state" contract:"nonempty,oneof=up|down"`
	Reason  string `json:"reason" contract:"required" mark:"text"`
	Time    int64  `json:"time" contract:"required,nonnegative"` // ms
	Extra   `json:"-"`
}

// SendChat is the payload of cytube.send.chat. An empty channel means the
// current one.
type SendChat struct {
	Message string `json:"message" contract:"nonempty" mark:"text"`
	Channel string `json:"channel,omitempty"`
	Extra   `json:"-"`
}

// SendPM is the payload of cytube.send.pm. Channel is Rosey's addition for bots
// that sit in several channels; empty means the current one.
type SendPM struct {
	To      string `json:"to" contract:"nonempty" mark:"person"`
	Message string `json:"message" contract:"nonempty" mark:"text"`
	Channel string `json:"channel,omitempty"`
	Extra   `json:"-"`
}

// SendEmote is the payload of cytube.send.emote.
type SendEmote struct {
	Emote   string `json:"emote" contract:"nonempty" mark:"text"`
	Channel string `json:"channel" contract:"nonempty"`
	Extra   `json:"-"`
}

// The statuses of a Delivery.
const (
	DeliveryDone        = "done"        // seen in the channel; of what is said, the echo says so
	DeliveryAlready     = "already"     // the channel was so before
	DeliveryExpired     = "expired"     // too old to be sent
	DeliveryRefused     = "refused"     // by the server, or because it would be: see Reason
	DeliveryUnconfirmed = "unconfirmed" // written, but nothing showed what became of it
)

// Delivery is the payload of cytube.delivery: the outcome of a cytube.send.* event. What
// is said has one only where no echo confirmed it.
type Delivery struct {
	Channel string `json:"channel" contract:"required"`
	Status  string `json:"status" contract:"nonempty,oneof=done|already|expired|refused|unconfirmed"`
	Reason  string `json:"reason" contract:"required" mark:"text"` // the server's words, if it refused
	Send    string `json:"send" contract:"nonempty"`               // STREAM:SEQ of the send
	Code    Code   `json:"code,omitempty"`                         // of a refusal

	ConfirmedBy string `json:"confirmed_by,omitempty"` // STREAM:SEQ of the event that shows it

	// Of the send: its subject, who published it and on whose wish, for those who wait for
	// the outcomes of their own. Earlier releases do not say.
	Subject string `json:"subject,omitempty"`
	Source  string `json:"source,omitempty"`
	For     string `json:"for,omitempty" mark:"person"`
	Extra   `json:"-"`
}

// Outbox is the payload of cytube.outbox.{channel}: the channel takes a send that names
// none. Earlier releases stored one for each send.
type Outbox struct {
	Channel string `json:"channel" contract:"nonempty"`
	Send    string `json:"send" contract:"nonempty"` // STREAM:SEQ of the cytube.send.*
	Extra   `json:"-"`
}

// Erasure is the payload of cytube.erasure: which stored events were erased for
// good, so that their absence can be explained. It does not name their user.
type Erasure struct {
	Events    map[string][]uint64 `json:"events" contract:"required"` // sequences by stream
	Lines     []string            `json:"lines,omitempty"`            // the Fingerprint of each chat line that a channel may still repeat
	Reason    string              `json:"reason" contract:"required" mark:"text"`
	Time      int64               `json:"time" contract:"required,nonnegative"` // ms
	Key       string              `json:"key" contract:"nonempty"`              // public ed25519 key, base64
	Signature string              `json:"signature" contract:"nonempty"`        // of the other fields, base64
	Extra     `json:"-"`
}

// Command is the payload of plugin.{name}.command. The router fills every
// field; a reader accepts what the contract's own examples leave out, all but
// the command and the user.
type Command struct {
	Command    string   `json:"command" contract:"nonempty"` // without prefix
	Args       []string `json:"args" mark:"text"`
	User       string   `json:"user" contract:"nonempty" mark:"person"`
	Channel    string   `json:"channel"`
	Rank       int      `json:"rank" contract:"rank"`
	RawMessage string   `json:"raw_message" mark:"text"`
	Private    bool     `json:"private,omitempty"` // typed in a private message, and answered in one
	Extra      `json:"-"`
}

// Reply returns a message to the user of a command where it was typed: in the channel, or
// as a private message.
func (c Command) Reply(message string) (Envelope, error) {
	if c.Private {
		return New(SubjectSendPM, SendPM{To: c.User, Message: message, Channel: c.Channel})
	}
	return New(SubjectSendChat, SendChat{Message: message, Channel: c.Channel})
}

// PluginEvent is the payload of plugin.{name}.event and its specific subjects:
// whatever the plugin defines.
type PluginEvent struct {
	Extra `json:"-"`
}

// PluginRequest is the payload of plugin.{name}.request: whatever the plugin
// defines.
type PluginRequest struct {
	Extra `json:"-"`
}

// DeadLetter is the payload of plugin.{name}.event.dead_letter: an event that a
// consumer gave up on.
type DeadLetter struct {
	EventType string `json:"event_type"`
	Consumer  string `json:"consumer" contract:"required"`
	Stream    string `json:"stream" contract:"nonempty"`
	Seq       int64  `json:"seq" contract:"required,nonnegative"`
	Subject   string `json:"subject" contract:"required"`
	Error     string `json:"error" contract:"required" mark:"text"`
	Code      Code   `json:"error_code,omitempty"`
	Stack     string `json:"stack,omitempty" mark:"text"` // of a handler that panicked
	Attempts  int    `json:"attempts" contract:"required,nonnegative"`
	Extra     `json:"-"`
}

// Expired is the payload of plugin.{name}.event.expired: an event that was too
// old to be handled when its turn came.
type Expired struct {
	EventType string  `json:"event_type"`
	Consumer  string  `json:"consumer" contract:"required"`
	Stream    string  `json:"stream" contract:"nonempty"`
	Seq       int64   `json:"seq" contract:"required,nonnegative"`
	Subject   string  `json:"subject" contract:"required"`
	Age       float64 `json:"age" contract:"required,nonnegative"`     // seconds
	MaxAge    float64 `json:"max_age" contract:"required,nonnegative"` // seconds
	Extra     `json:"-"`
}

// Denied is the payload of plugin.{name}.event.denied: a command that a user's
// rank does not allow, in the form of the contract's error response.
type Denied struct {
	EventType string         `json:"event_type"`
	Success   bool           `json:"success"` // always false
	Error     string         `json:"error" contract:"required" mark:"text"`
	Code      Code           `json:"error_code" contract:"nonempty"` // PERMISSION_DENIED
	Details   map[string]any `json:"details" contract:"required"`    // command, user, rank, min_rank
	Channel   string         `json:"channel" contract:"required"`
	Extra     `json:"-"`
}

// The directions of a ClockSet.
const (
	ClockAhead = "ahead"
	ClockBack  = "back"
)
