package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/consumers/router"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins/host"
	"github.com/rosey-bot/rosey/streams"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A check is one of the things that are verified.
type check struct {
	name   string
	always bool // the others need it
	run    func(v *verifier, ctx context.Context) (detail string, err error)
	remedy string
}

// checks are all of them, in the order in which they run.
var checks = []check{
	{"registers", true, (*verifier).registers,
		"put the registration under the plugin's name into the KV bucket plugins, then pull from the durable plugin-NAME of stream PLUGIN; connect as NATS_URL and NATS_CREDS say"},
	{"answers", false, (*verifier).answers,
		"publish cytube.send.chat, or an event of your own, before the acknowledgement; give lines that your commands take with --say '!greet bob'"},
	{"correlation", false, (*verifier).correlates,
		"copy the command's correlation_id; metadata.source is plugin-NAME, metadata.causation_id PLUGIN:SEQ of the command, Nats-Msg-Id of the k-th event plugin-NAME/PLUGIN:SEQ/k"},
	{"private", false, (*verifier).answersInPrivate,
		"answer a command with private: true by cytube.send.pm with to: its user"},
	{"redelivery", false, (*verifier).redelivery,
		"number what you publish because of an event, always in the same order: Nats-Msg-Id plugin-NAME/PLUGIN:SEQ/k; writes carry Rosey-Msg-Id; take time and chance from the event"},
	{"kill -9", false, (*verifier).kills,
		"acknowledge only after everything is published, with message IDs and Rosey-Msg-Ids that a further attempt repeats; see Effectively once in docs/contract.md"},
	{"malformed", false, (*verifier).malformed,
		"publish plugin.NAME.event.dead_letter with consumer, stream, seq and error about an event that cannot be read, terminate it (+TERM), and go on"},
	{"dead letters", false, (*verifier).retriedLetters,
		"pass over (+ACK) an event whose metadata.retry_for names another durable than yours, and handle one that names yours"},
	{"attempts", false, (*verifier).spendsAttempts,
		"publish plugin.NAME.event.dead_letter about an event that is delivered more often than you try one, in place of handling it, and terminate it (+TERM): each attempt before may have ended with its process"},
	{"expiry", false, (*verifier).expires,
		"compare the time at which a command was stored, in its reply subject, with max_age; publish plugin.NAME.event.expired in place of an answer"},
	{"settings", false, (*verifier).settingsChange,
		"read plugin.NAME's keys of the KV bucket settings each time that an event is taken"},
	{"slow network", false, (*verifier).slowNetwork,
		"connect again for ever (maxReconnectAttempts -1), wait for acknowledgements of what you publish, and try again what was not acknowledged"},
	{"shutdown", false, (*verifier).shutsDown,
		"at SIGTERM stop pulling, finish and acknowledge what is in hand, drain the connection, and exit with 0 within 10 s"},
}

// Checks returns the names of the checks.
func Checks() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

func isCheck(name string) bool { return contains(Checks(), name) }

// registers starts the plugin and waits for its registration and consumer.
func (v *verifier) registers(ctx context.Context) (string, error) {
	if v.Name == "" {
		name, err := v.discover(ctx)
		if err != nil {
			return "", err
		}
		v.Name = name
	}
	if err := v.restrict(ctx); err != nil {
		return "", err
	}
	if err := v.startReading(ctx); err != nil {
		return "", err
	}
	err := v.await(ctx, "a registration under the key "+v.Name+" of the KV bucket "+router.Bucket, func() (bool, error) {
		list, err := router.List(ctx, v.js)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(list, func(e router.Entry) bool { return e.Name == v.Name })
		if i < 0 {
			return false, nil
		}
		if list[i].Err != nil {
			return false, fmt.Errorf("its registration is invalid: %w", list[i].Err)
		}
		v.registration = list[i].Registration
		return true, nil
	})
	if err != nil {
		return "", err
	}
	for _, text := range v.Lines {
		v.lines = append(v.lines, line{text: text})
	}
	if len(v.lines) == 0 {
		v.lines = linesOf(v.registration)
	}
	return fmt.Sprintf("%s %s, %d command(s)", v.Name, v.registration.Version, len(v.registration.Commands)), v.checkConsumer(ctx)
}

// checkConsumer looks at the plugin's durable consumer, and whether others hear of the plugin.
func (v *verifier) checkConsumer(ctx context.Context) error {
	c, err := v.js.Consumer(ctx, commandStream, streams.Durable(v.Name))
	if err != nil {
		return err
	}
	info := c.CachedInfo()
	subjects := streams.FilterSubjects(info.Config)
	switch {
	case info.Config.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("its consumer has ack policy %s and not explicit", info.Config.AckPolicy)
	case !slices.Contains(subjects, event.CommandSubject(v.Name)):
		return fmt.Errorf("its consumer reads %s and not %s", strings.Join(subjects, " "), event.CommandSubject(v.Name))
	}
	return v.await(ctx, "an answer to $SRV.INFO that says metadata.plugin, by which rosey plugin ls counts processes", func() (bool, error) {
		running, err := host.Instances(ctx, v.conn)
		return len(running[v.Name]) > 0, err
	})
}

// answers types each line in the channel.
func (v *verifier) answers(ctx context.Context) (string, error) {
	if len(v.lines) == 0 {
		return "", skipped("it has no commands")
	}
	total := 0
	for _, l := range v.lines {
		if _, err := v.publish(ctx, event.SubjectChat, event.Chat{User: userName, Message: l.text, Channel: channelName, Rank: userRank, Time: nowMillis()}); err != nil {
			return "", err
		}
		h, err := v.do(ctx, l.text)
		if err != nil {
			return "", err
		}
		if h.outputs == 0 {
			return "", fmt.Errorf("%s: it published nothing because of it", l.text)
		}
		total += h.outputs
	}
	return fmt.Sprintf("%d line(s), %d event(s)", len(v.lines), total), v.routed(ctx)
}

// routed checks that the router has handed on all that was typed.
func (v *verifier) routed(ctx context.Context) error {
	return v.await(ctx, "the command that was typed", func() (bool, error) {
		n := 0
		for raw, err := range streams.Messages(ctx, v.js, streams.Selection{Stream: commandStream, Subjects: []string{event.CommandSubject(v.Name)}}) {
			if err != nil {
				return false, err
			}
			s, err := streams.ReadRaw(commandStream, raw)
			if cause, ok := s.Causation(); err == nil && ok && cause.Stream == streams.Cytube {
				n++
			}
		}
		return n >= len(v.lines), nil
	})
}

// correlates checks what the plugin publishes because of each line.
func (v *verifier) correlates(ctx context.Context) (string, error) {
	n := 0
	for _, l := range v.lines {
		command, err := v.handle(ctx, l.text, false)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.text, err)
		}
		out, err := v.caused(ctx, command)
		if err != nil {
			return "", err
		}
		for _, s := range out {
			if err := v.checkCause(s, command); err != nil {
				return "", fmt.Errorf("%s: %s because of %s: %w", l.text, s.Ref, command.Ref, err)
			}
			n++
		}
	}
	if n == 0 {
		return "", skipped("nothing is published")
	}
	return fmt.Sprintf("%d event(s)", n), nil
}

// checkCause returns an error unless s says that command caused it and that the plugin published it.
func (v *verifier) checkCause(s, command streams.Stored) error {
	if err := s.Validate(); err != nil {
		return err
	}
	id := s.Header.Get(jetstream.MsgIDHeader)
	header := s.Header.Get(propagation.HeaderCorrelation)
	switch {
	case s.CorrelationID != command.CorrelationID:
		return fmt.Errorf("its correlation_id is %q, the command's %q", s.CorrelationID, command.CorrelationID)
	case header != "" && header != command.CorrelationID:
		return fmt.Errorf("its header %s is %q, the command's correlation_id %q", propagation.HeaderCorrelation, header, command.CorrelationID)
	case s.Meta(event.MetaSource) != streams.Durable(v.Name):
		return fmt.Errorf("its metadata.source is %q, not %q", s.Meta(event.MetaSource), streams.Durable(v.Name))
	case !strings.HasPrefix(id, streams.Durable(v.Name)+"/") || !strings.Contains(id, command.Ref.String()):
		return fmt.Errorf("its Nats-Msg-Id is %q, not %s/%s/1 and so on", id, streams.Durable(v.Name), command.Ref)
	}
	return nil
}

// answersInPrivate has each line come from a private message.
func (v *verifier) answersInPrivate(ctx context.Context) (string, error) {
	n := 0
	for _, l := range v.lines {
		command, err := v.handle(ctx, l.text, true)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.text, err)
		}
		out, err := v.caused(ctx, command)
		if err != nil {
			return "", err
		}
		for _, s := range out {
			switch s.Subject {
			case event.SubjectSendChat, event.SubjectSendEmote:
				return "", fmt.Errorf("%s, typed in a private message, is answered on %s, which the whole channel sees", l.text, s.Subject)
			case event.SubjectSendPM:
				n++
				if pm, err := event.As[event.SendPM](s.Envelope); err != nil || !strings.EqualFold(pm.To, userName) {
					return "", errors.Join(fmt.Errorf("%s, typed by %s, is answered to %q", l.text, userName, pm.To), err)
				}
			}
		}
	}
	return fmt.Sprintf("%d private answer(s)", n), nil
}

// retriedLetters puts dead letters to the plugin again: one of another consumer, and its own.
func (v *verifier) retriedLetters(ctx context.Context) (string, error) {
	if err := v.prepareLines(ctx); err != nil {
		return "", err
	}
	for _, to := range []string{"plugin-another", streams.Durable(v.Name)} {
		l := v.lines[0]
		command, err := v.handle(ctx, l.text, false, event.MetaRetryFor, to)
		if err != nil {
			return "", err
		}
		if to != streams.Durable(v.Name) {
			l.outputs, l.writes = 0, 0
		}
		if err := v.expect(ctx, l, command); err != nil {
			return "", fmt.Errorf("retried for %s: %w", to, err)
		}
	}
	return "of another consumer passed over, its own handled", nil
}

// settingsChange sets each setting to another value and checks that the plugin reads it.
func (v *verifier) settingsChange(ctx context.Context) (string, error) {
	changes, err := otherSettings(v.registration)
	if err != nil {
		return "", err
	}
	if len(changes) == 0 || len(v.lines) == 0 {
		return "", skipped("it has no settings that can be changed")
	}
	const direct = "$JS.API.DIRECT.GET.KV_" + streams.PluginSettings
	for _, s := range changes {
		if _, err := router.Configure(ctx, v.harness.Bus, v.harness.Settings, []router.Entry{{Name: v.Name, Registration: v.registration}}, s); err != nil {
			return "", fmt.Errorf("set %s to %s: %w", s.Key, s.Text, err)
		}
		before := v.proxy.published(direct)
		if _, err := v.do(ctx, v.lines[0].text); err != nil {
			return "", fmt.Errorf("with %s set to %s: %w", s.Key, s.Text, err)
		}
		if v.proxy.published(direct) == before {
			return "", fmt.Errorf("it handled %s without reading its settings, after %s was changed", v.lines[0].text, s.Key)
		}
	}
	return fmt.Sprintf("%d change(s), read while it runs", len(changes)), nil
}

// otherSettings returns a change of each of the plugin's own settings that has another valid
// value.
func otherSettings(r router.Registration) (changes []router.Setting, err error) {
	var schema struct {
		Properties map[string]struct {
			Enum             []json.RawMessage
			Minimum, Maximum json.RawMessage
		}
	}
	properties, err := r.Properties()
	if err != nil || len(r.Settings) == 0 {
		return nil, err
	}
	if err := json.Unmarshal(r.Settings, &schema); err != nil {
		return nil, err
	}
	for key, limits := range schema.Properties {
		p := properties[key]
		for _, value := range append(limits.Enum, limits.Minimum, limits.Maximum, json.RawMessage("true"), json.RawMessage("false"), json.RawMessage("1"), json.RawMessage(`"verify"`)) {
			if len(value) > 0 && p.Check(value) == nil && string(value) != string(p.Default) {
				changes = append(changes, router.Setting{Plugin: r.Name, Key: key, Text: p.Text(value), By: "rosey plugin verify"})
				break
			}
		}
	}
	slices.SortFunc(changes, func(a, b router.Setting) int { return strings.Compare(a.Key, b.Key) })
	return changes, nil
}
