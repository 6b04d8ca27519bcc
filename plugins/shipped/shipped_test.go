package shipped

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosey-bot/rosey/plugins"
	"github.com/rosey-bot/rosey/plugins/plugintest"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) { streamstest.Main(m) }

// The plugins get on with each other: valid, in order, no command taken twice.
func TestAll(t *testing.T) {
	t.Parallel()
	all := All()
	owner := map[string]string{}
	for _, p := range all {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		for _, c := range p.Registration().Commands {
			if other := owner[c.Name]; other != "" {
				t.Errorf("%s and %s both have the command %s", other, p.Name, c.Name)
			}
			owner[c.Name] = p.Name
			if c.Description == "" || c.AliasOf == "" && !strings.HasPrefix(c.Usage, c.Name) {
				t.Errorf("command %s of %s: help would say %q, %q", c.Name, p.Name, c.Usage, c.Description)
			}
		}
	}
	if !slices.IsSortedFunc(all, func(a, b plugins.Plugin) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("they are not in the order of their names")
	}
}

// Each plugin answers when all run beside each other.
func TestTogether(t *testing.T) {
	t.Parallel()
	channel := plugintest.Run(t, All()...)
	for _, step := range [][2]string{
		{"!help", "📚 !8ball, "}, {"!8ball well?", "🎱 "}, {"!roll d6", "🎲 "}, {"!cd add tea 1h", "⏳ tea in 1h"},
		{"!inspect plugins", "🔎 8ball 1.0.0 up; admin 1.0.0 up; "}, {"!q add to be or not to be", "📖 Added quote #1"}, {"!trivia", "🧠 "},
	} {
		channel.Type("mod", 2, step[0])
		for !strings.HasPrefix(channel.Next(), step[1]) { // what goes before is more of an answer to another
		}
	}
}

func TestTriviaPacks(t *testing.T) {
	dir := t.TempDir()
	pack := `{"questions":[{"category":"cats","difficulty":"easy","question":"What do cats say?","answers":["Meow"]}]}`
	if err := os.WriteFile(filepath.Join(dir, "cats.json"), []byte(pack), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(TriviaPacks, dir)
	all := All()
	channel := plugintest.Run(t, all[len(all)-1])
	if got := channel.Say("alice", "!trivia categories"); !strings.HasPrefix(got, "🧠 169 questions: arts 24, cats 1, ") {
		t.Error(got)
	}
}
