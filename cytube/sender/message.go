package sender

import (
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/rosey-bot/rosey/cytube/ability"
	"github.com/rosey-bot/rosey/cytube/channel"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/streams"
)

// Message is one line that a send asks for: the whole send or, if that is too long
// for one line, a part of it.
type Message struct {
	Send          event.Ref
	CorrelationID string
	Span          trace.SpanContext // of the delivery of the send
	Part, Parts   int               // Part counts from 1
	Consumer      string            // the durable consumer of the send

	pm, action bool
	to         string
	text       string // as it goes to the server
	echo       string // the expected echo, normalised

	// Guarded by EchoTracker.mu.
	writes  int // echoes that may come
	state   state
	rest    string // what the server cut off, once confirmed
	note    string // the server's words with refused
	changed chan struct{}
}

// state is what has become of a message.
type state int

const (
	waiting      state = iota // for its echo
	claimed                   // the echo came and is being recorded
	confirmed                 // the echo is recorded
	dropped                   // by the server's flood control
	refused                   // by the server
	disconnected              // the connection was lost, and perhaps the echo with it
	lost                      // the connection is back, and the channel has not heard it
)

// answered reports whether the server has answered, so that the message need not be
// written again.
func (s state) answered() bool { return s == claimed || s == confirmed || s == refused }

// set changes the state and wakes who waits for that.
func (m *Message) set(s state) {
	m.state = s
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// matches reports whether l is the message's echo, word for word.
func (m *Message) matches(l *channel.Line) bool {
	return m.pm == l.PM && m.action == l.Action && (!m.pm || strings.EqualFold(m.to, l.To)) && m.echo == normalize(l.Text)
}

// cutOff returns what the server cut off of a message whose echo is l, and the length to
// which it cut the line; ok is false if it cut nothing off.
func (m *Message) cutOff(l *channel.Line) (rest string, limit int, ok bool) {
	prefix := m.prefix()
	heard := strings.TrimSuffix(l.Text, "\uFFFD") // half a character
	rest, ok = strings.CutPrefix(strings.TrimPrefix(m.text, prefix), heard)
	limit = utf16Units(prefix + l.Text)
	return strings.TrimSpace(rest), limit, ok && strings.TrimSpace(rest) != "" && limit >= leastLimit
}

// leastLimit is the length from which a shorter echo is taken for a cut line: a filter of
// the channel's may make one shorter, too.
const leastLimit = 20

// loggable returns the text, unless it is private.
func (m *Message) loggable() string {
	if m.pm {
		return "(private)"
	}
	return m.text
}

// cost is how many lines the server counts the message as.
func (m *Message) cost() int {
	if m.action {
		return 2
	}
	return 1
}

const emotePrefix = "/me "

// messages splits a send into messages that are short enough. A blank send has none. It
// also returns the channel that the send names, "" if none.
func (s *Sender) messages(send streams.Stored, span trace.SpanContext) (list []*Message, name string, err error) {
	m, text, name, err := decode(send)
	if err != nil {
		return nil, "", err
	}
	m.Send, m.CorrelationID, m.Span, m.Consumer = send.Ref, send.CorrelationID, span, s.durable()
	list = m.parts(split(text, m.prefix(), s.Echoes.lineLimit(s.cfg.MessageLimit)))
	for i, part := range list {
		part.Part, part.Parts = i+1, len(list)
	}
	return list, name, nil
}

// channelOf returns the channel that a send names, "" if none.
func channelOf(send streams.Stored) (string, error) {
	if ability.Is(send.Subject) {
		return ability.ChannelOf(send.Envelope), nil
	}
	_, _, name, err := decode(send)
	return name, err
}

// prefix is what a line of the message's kind begins with.
func (m *Message) prefix() string {
	if m.action {
		return emotePrefix
	}
	return ""
}

// parts returns messages like m with other texts.
func (m *Message) parts(texts []string) (list []*Message) {
	for _, text := range texts {
		list = append(list, &Message{
			Send: m.Send, CorrelationID: m.CorrelationID, Span: m.Span, Consumer: m.Consumer, Part: m.Part, Parts: m.Parts,
			pm: m.pm, action: m.action, to: m.to, text: text, echo: normalize(text[len(m.prefix()):]),
			changed: make(chan struct{}, 1),
		})
	}
	return list
}

// decode reads what kind of message a send asks for, its text and its channel.
func decode(send streams.Stored) (m Message, text, name string, err error) {
	switch send.Subject {
	case event.SubjectSendPM:
		p, err := event.As[event.SendPM](send.Envelope)
		return Message{pm: true, to: p.To}, p.Message, p.Channel, err
	case event.SubjectSendEmote:
		e, err := event.As[event.SendEmote](send.Envelope)
		return Message{action: true}, e.Emote, e.Channel, err
	default:
		c, err := event.As[event.SendChat](send.Envelope)
		return Message{}, c.Message, c.Channel, err
	}
}
