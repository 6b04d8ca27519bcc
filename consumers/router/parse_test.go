package router

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, prefix, command string
		args                  []string
		ok                    bool
	}{
		{"!roll 2d6+3", "!", "roll", []string{"2d6+3"}, true},
		{"  !roll", "!", "roll", []string{}, true},
		{"!quote add \"hello world\" alice", "!", "quote", []string{"add", "hello world", "alice"}, true},
		{"!say 'it''s' x", "!", "say", []string{"it''s", "x"}, true},
		{`!say "a \"quoted\" word" \n`, "!", "say", []string{`a "quoted" word`, `\n`}, true},
		{"!say don't stop", "!", "say", []string{"don't", "stop"}, true},
		{`!say "never closed`, "!", "say", []string{`"never`, "closed"}, true},
		{`!say "" x`, "!", "say", []string{"", "x"}, true},
		{"!say \"a\"b c\" d", "!", "say", []string{`a"b c`, "d"}, true},
		{"!8ball why", "!", "8ball", []string{"why"}, true},
		{"rosey, roll d6", "rosey, ", "roll", []string{"d6"}, true},
		{"!roll\t2d6\u00a0x\x00y", "!", "roll", []string{"2d6", "x", "y"}, true},
		{"！roll ２ｄ６", "!", "roll", []string{"２ｄ６"}, true},
		{"\u200b!\u2060ro\u200bll\u202f2d6\u200b", "!", "roll", []string{"2d6"}, true},
		{"\ufeff!ｒｏｌｌ\u3000x", "!", "roll", []string{"x"}, true},
		{"!say “hello world” x", "!", "say", []string{"hello world", "x"}, true},
		{"!say „guten Tag“ «bon jour» ‘a b’", "!", "say", []string{"guten Tag", "bon jour", "a b"}, true},
		{"!say don’t “stop", "!", "say", []string{"don’t", "“stop"}, true},
		{"!add Cafe\u0301 👨\u200d👩\u200d👧", "!", "add", []string{"Cafe\u0301", "👨\u200d👩\u200d👧"}, true},
		{"\u202e!ro\U000e0072ll\u202c 2d6−1 ＋２", "!", "roll", []string{"2d6−1", "＋２"}, true},
		{"!say ‹a b› ‚c d‘ straße", "!", "say", []string{"a b", "c d", "straße"}, true},
		{"\u200b", "!", "", nil, false},
		{"!\u200b", "!", "", nil, false},
		{"! roll", "!", "", nil, false},
		{"!!!", "!", "", nil, false},
		{"!", "!", "", nil, false},
		{"roll", "!", "", nil, false},
		{"", "!", "", nil, false},
	} {
		command, args, ok := ParseCommand(c.line, c.prefix)
		if command != c.command || ok != c.ok || !cmp.Equal(args, c.args) {
			t.Errorf("ParseCommand(%q, %q) = %q %q %v, want %q %q %v", c.line, c.prefix, command, args, ok, c.command, c.args, c.ok)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add(`!roll "a b" 'c\' d`, "!")
	f.Add("!\x00", "!")
	f.Add("!a\u00a8", "!") // of which the plain form is "a", a space and a combining mark
	f.Fuzz(func(t *testing.T, line, prefix string) {
		// What was decoded from JSON or YAML is valid.
		line, prefix = strings.ToValidUTF8(line, "\ufffd"), strings.ToValidUTF8(prefix, "\ufffd")
		command, args, ok := ParseCommand(line, prefix)
		if !ok {
			return
		}
		if command == "" || strings.ContainsFunc(command, isSpace) {
			t.Errorf("command %q", command)
		}
		total := 0
		for _, a := range args {
			total += len(a)
		}
		if total > len(line) {
			t.Errorf("%q gave more text than it has: %q %q", line, command, args)
		}
	})
}
