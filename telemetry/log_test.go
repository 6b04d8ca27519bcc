package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

const (
	correlation = "550e8400-e29b-41d4-a716-446655440000"
	traceID     = "550e8400e29b41d4a716446655440000"
)

// logged is what a JSON logger writes, one object a line, without time and level.
func logged(t *testing.T, do func(*slog.Logger)) []map[string]any {
	t.Helper()
	var out buffer
	log, err := telemetry.NewLogger(&out, "debug", "json")
	if err != nil {
		t.Fatal(err)
	}
	do(log)
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q is not JSON: %v", line, err)
		}
		delete(m, "time")
		delete(m, "level")
		lines = append(lines, m)
	}
	return lines
}

func TestLinesCarryTheConversation(t *testing.T) {
	t.Parallel()
	plain := context.Background()
	handling := propagation.WithCorrelation(plain, correlation)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: propagation.TraceID(correlation), SpanID: trace.SpanID{0xab}})
	traced := trace.ContextWithSpanContext(handling, span)
	for _, tt := range []struct {
		name string
		do   func(*slog.Logger)
		want map[string]any
	}{
		{"no event", func(l *slog.Logger) { l.InfoContext(plain, "m", "k", 1) },
			map[string]any{"msg": "m", "k": 1.0}},
		{"an event, tracing off", func(l *slog.Logger) { l.InfoContext(handling, "m", "k", 1) },
			map[string]any{"msg": "m", "k": 1.0, "correlation_id": correlation, "trace_id": traceID}},
		{"an event, tracing on", func(l *slog.Logger) { l.InfoContext(traced, "m") },
			map[string]any{"msg": "m", "correlation_id": correlation, "trace_id": traceID, "span_id": "ab00000000000000"}},
		{"a span alone", func(l *slog.Logger) { l.InfoContext(trace.ContextWithSpanContext(plain, span), "m") },
			map[string]any{"msg": "m", "trace_id": traceID, "span_id": "ab00000000000000"}},
		{"an ID that is no UUID", func(l *slog.Logger) { l.InfoContext(propagation.WithCorrelation(plain, "quiz"), "m") },
			map[string]any{"msg": "m", "correlation_id": "quiz", "trace_id": propagation.TraceID("quiz").String()}},
		{"bound attributes", func(l *slog.Logger) { l.With("plugin", "dice").InfoContext(handling, "m") },
			map[string]any{"msg": "m", "plugin": "dice", "correlation_id": correlation, "trace_id": traceID}},
		{"groups", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").InfoContext(handling, "m", "c", 3)
		}, map[string]any{"msg": "m", "a": 1.0, "g": map[string]any{"b": 2.0,
			"h": map[string]any{"c": 3.0, "correlation_id": correlation, "trace_id": traceID}}}},
		{"the caller names the ID", func(l *slog.Logger) { l.InfoContext(handling, "m", "correlation_id", "mine") },
			map[string]any{"msg": "m", "correlation_id": "mine", "trace_id": traceID}},
		{"the logger is bound to an ID", func(l *slog.Logger) { l.With("correlation_id", "mine").InfoContext(handling, "m") },
			map[string]any{"msg": "m", "correlation_id": "mine", "trace_id": traceID}},
		{"an empty group name", func(l *slog.Logger) { l.WithGroup("").InfoContext(handling, "m") },
			map[string]any{"msg": "m", "correlation_id": correlation, "trace_id": traceID}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]map[string]any{tt.want}, logged(t, tt.do)); diff != "" {
				t.Errorf("the line differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Two loggers that were derived from one do not write into each other's groups.
func TestDerivedLoggersAreIndependent(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lines := logged(t, func(l *slog.Logger) {
		g := l.WithGroup("g").With("a", 1)
		x, y := g.With("x", 1), g.With("y", 1)
		x.InfoContext(ctx, "m")
		y.InfoContext(ctx, "m")
	})
	for i, want := range []map[string]any{{"a": 1.0, "x": 1.0}, {"a": 1.0, "y": 1.0}} {
		if diff := cmp.Diff(want, lines[i]["g"]); diff != "" {
			t.Errorf("line %d differs (-want +got):\n%s", i, diff)
		}
	}
}

// A command's lines can be found by its ID with grep, in text as well.
func TestTextLinesCanBeGrepped(t *testing.T) {
	t.Parallel()
	var out buffer
	log, err := telemetry.NewLogger(&out, "INFO", "text")
	if err != nil {
		t.Fatal(err)
	}
	ctx := propagation.WithCorrelation(context.Background(), correlation)
	log.InfoContext(ctx, "command routed", "plugin", "dice-roller")
	log.DebugContext(ctx, "too fine")
	log.Info("something else")
	want := `msg="command routed" plugin=dice-roller correlation_id=` + correlation + " trace_id=" + traceID + "\n"
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, want) {
		t.Errorf("the log is\n%swant two lines, one with\n%s", got, want)
	}
}

func TestNewLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.NewLogger(&buffer{}, "loud", "text"); err == nil || !strings.Contains(err.Error(), "debug, info, warn, error") {
		t.Errorf("level loud gave: %v", err)
	}
	if _, err := telemetry.NewLogger(&buffer{}, "info", "xml"); err == nil || !strings.Contains(err.Error(), "text, json") {
		t.Errorf("format xml gave: %v", err)
	}
}

type hostile struct{ text string }

func (h hostile) Error() string { return h.text }

// Whatever a user types, and wherever a line shows it, one call writes one line
// of printable characters; in JSON nothing of the text is lost by that.
func TestControlCharactersAreEscaped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringOf(rapid.RuneFrom([]rune("\x00\x07\x08\n\r\t\x1b\x7f\u0085\u009b\u200b\u202e\u2028\ufeff\U000e0041[31m a"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(rt, "text")
		for _, format := range []string{"text", "json"} {
			var out buffer
			log, err := telemetry.NewLogger(&out, "info", format)
			if err != nil {
				rt.Fatal(err)
			}
			log.With("bound", text).WithGroup("group").InfoContext(propagation.WithCorrelation(context.Background(), text), text,
				"string", text, "error", error(hostile{text}), "any", hostile{text}, "bytes", []byte(text), text, "key",
				slog.Group("nested", "list", []string{text}))
			line := out.String()
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				rt.Fatalf("%s: %q was logged as\n%q", format, text, line)
			}
			line = strings.TrimSuffix(line, "\n")
			for _, r := range line {
				if unicode.In(r, unicode.Cc, unicode.Cf) {
					rt.Fatalf("%s: %q let %U through: %q", format, text, r, line)
				}
			}
			if format == "json" && utf8.ValidString(text) {
				var l struct {
					Msg   string
					Bound string
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg != text || l.Bound != text {
					rt.Fatalf("%q came back as %q and %q (%v) from %s", text, l.Msg, l.Bound, err, line)
				}
			}
		}
	})
}

type account struct {
	Name     string
	password telemetry.Secret
	Token    telemetry.Secret
}

func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	s := telemetry.NewSecret(secret)
	u, err := url.Parse("nats://rosey:" + secret + "@127.0.0.1:4222")
	if err != nil {
		t.Fatal(err)
	}
	a := account{Name: "rosey", password: s, Token: s}
	for _, format := range []string{"text", "json"} {
		var out buffer
		log, err := telemetry.NewLogger(&out, "info", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info(fmt.Sprintf("%v %s %+v %#v %q %x %d", s, s, a, a, s, s, s), "value", s, "pointer", &s, "account", a, "account_pointer", &a,
			"error", fmt.Errorf("log in with %v: %w", s, errors.New("no")), "url", u,
			"password", secret, "channel_Password", secret, "authorization", []byte(secret), slog.Group("login", "secret", secret))
		if got := out.String(); strings.Contains(got, secret) || !strings.Contains(got, "[redacted]") || !strings.Contains(got, "127.0.0.1:4222") {
			t.Errorf("%s: the log says\n%s", format, got)
		}
	}
	if b, err := json.Marshal(map[string]any{"s": s, "a": a}); err != nil || strings.Contains(string(b), secret) {
		t.Errorf("JSON is %s (%v)", b, err)
	}
	if s.Reveal() != secret || s.IsZero() || !(telemetry.Secret{}).IsZero() {
		t.Error("the secret does not come back when it is asked for")
	}
	var read struct{ Password telemetry.Secret }
	if err := json.Unmarshal([]byte(`{"password":"hunter2"}`), &read); err != nil || read.Password.Reveal() != secret {
		t.Errorf("the secret was read as %q (%v)", read.Password.Reveal(), err)
	}
}

// Names and texts of persons are in the log of a bot only while it is debugged.
func TestPersonalIsForDebugging(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]bool{"debug": true, "info": false} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, level, "text")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("command routed", "user", event.Personal("alice"), "command", "roll")
		if got := out.String(); strings.Contains(got, "user=alice") != want || strings.Contains(got, "user") != want || !strings.Contains(got, "command=roll") {
			t.Errorf("at level %s: %s", level, got)
		}
	}
}

// Who is alone with the bot sees them at any level; errors of NATS tell nothing of persons.
func TestPersonalOfErrors(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	typed := event.Errorf(event.InvalidInput, "who is alice?")
	log.Warn("request failed", "error", event.Loggable(typed))
	log.Warn("request failed", "error", event.Loggable(event.Errorf(event.NATSError, "no responders")))
	telemetry.ShowPersonal(log)
	log.With("plugin", "x").Warn("request failed", "error", event.Loggable(typed))
	got := strings.Split(out.String(), "\n")
	if strings.Contains(got[0], "alice") || !strings.Contains(got[1], "no responders") || !strings.Contains(got[2], "alice") {
		t.Errorf("logged %q", got)
	}
}
