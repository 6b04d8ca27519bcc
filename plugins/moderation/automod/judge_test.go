package automod

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosey-bot/rosey/event"
)

func compile(t testing.TB, c Config) *Rules {
	t.Helper()
	if c.RaidStep == "" {
		c.RaidStep = "kick"
	}
	if c.ExemptRank == 0 {
		c.ExemptRank = 2
	}
	r, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func vocabulary() Vocabulary {
	return Vocabulary{Emotes: map[string]bool{"KAPPAPRIDE": true, ":LUL:": true}, Names: map[string]bool{"shoutyname": true}}
}

// judge judges lines "user: text", a second apart, and returns the rules that they broke.
func judge(t *testing.T, c Config, lines ...string) (broken []string) {
	t.Helper()
	r, j := compile(t, c), &Judge{}
	for i, line := range lines {
		user, text, _ := strings.Cut(line, ": ")
		v := j.Judge(r, Line{Ref: event.Ref{Stream: "CYTUBE", Seq: uint64(i + 1)}, At: noon.Add(time.Duration(i) * time.Second), User: user, Rank: 1, Text: text}, vocabulary)
		if v.Rule != "" {
			broken = append(broken, fmt.Sprintf("%d %s %s %d", i+1, user, v.Rule, len(v.Lines)))
		}
	}
	return broken
}

// S16: emotes, names, links and scripts without case are no capitals, and repetition is one
// user's unless the raid rule says otherwise.
func TestS16CapsAndRepeat(t *testing.T) {
	t.Parallel()
	caps := Config{Caps: 80, CapsLetters: 10}
	repeat := Config{Repeat: 3, RepeatTime: time.Minute}
	raid := Config{RaidRepeat: 3, RepeatTime: time.Minute}
	for name, c := range map[string]struct {
		config Config
		lines  []string
		want   string
	}{
		"shouting":              {caps, []string{"a: STOP SHOUTING NOW"}, "1 a caps 1"},
		"full width":            {caps, []string{"a: ＳＴＯＰ ＳＨＯＵＴＩＮＧ"}, "1 a caps 1"},
		"emotes":                {caps, []string{"a: KAPPAPRIDE KAPPAPRIDE :LUL: hi"}, ""},
		"emotes and shouting":   {caps, []string{"a: KAPPAPRIDE I AM SHOUTING"}, "1 a caps 1"},
		"names":                 {caps, []string{"a: @SHOUTYNAME: SHOUTYNAME, ok"}, ""},
		"links":                 {caps, []string{"a: https://youtu.be/ABCDEFGHIJK"}, ""},
		"no case":               {caps, []string{"a: 今日は何を見ますか今日は何を見ますか ОК"}, ""},
		"short":                 {caps, []string{"a: OMG WTF"}, ""},
		"three the same":        {repeat, []string{"a: buy this", "a: BUY  this", "a: buy thi\u200bs", "a: buy this"}, "3 a repeat 3"},
		"of three people":       {repeat, []string{"a: lol", "b: lol", "c: lol"}, ""},
		"emotes again":          {repeat, []string{"a: :LUL:", "a: :LUL:", "a: :LUL:"}, ""},
		"commands":              {repeat, []string{"a: !roll", "a: !roll", "a: !roll"}, ""},
		"exclamations":          {repeat, []string{"a: !!!", "a: !!!", "a: !!!"}, "3 a repeat 3"},
		"a raid":                {raid, []string{"a: join us", "b: join us", "b: join us", "c: join us"}, "4 c raid 4"},
		"a raid of emotes":      {raid, []string{"a: :LUL:", "b: :LUL:", "c: :LUL:"}, ""},
		"other spelling":        {repeat, []string{"Bob: hi there", "bob: hi there", "BOB: hi there"}, "3 BOB repeat 3"},
		"a word in another":     {Config{DenyWords: []string{"ass"}}, []string{"a: a class act, assess", "a: you ASS!"}, "2 a words 1"},
		"a pattern":             {Config{DenyWords: []string{`fr[e3]+\s+stuff`}}, []string{"a: FR33 stuff"}, "1 a words 1"},
		"allowed words":         {Config{DenyWords: []string{"hell"}, AllowWords: []string{"hell yeah"}}, []string{"a: hell yeah", "a: hell no"}, "2 a words 1"},
		"a flood":               {Config{FloodLines: 3, FloodTime: 5 * time.Second}, []string{"a: 1", "a: 2", "b: x", "a: 3", "a: 4"}, "4 a flood 3"},
		"a flood, not of three": {Config{FloodLines: 3, FloodTime: 5 * time.Second}, []string{"a: 1", "b: 2", "c: 3"}, ""},
		"nothing is on":         {Config{}, []string{"a: STOP SHOUTING NOW https://evil.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(judge(t, c.config, c.lines...), "; "); got != c.want {
				t.Errorf("broken: %q, want %q", got, c.want)
			}
		})
	}
}

// First visits in a wave are a raid, returning users are none; who came with it is stopped.
func TestRaid(t *testing.T) {
	t.Parallel()
	r := compile(t, Config{RaidJoins: 3, RaidTime: 10 * time.Second, RaidFor: time.Minute, RaidStep: "ban:1d"})
	j := &Judge{}
	for i, raid := range []bool{false, false, true, false} {
		if got := j.Join(r, noon.Add(time.Duration(i)*time.Second)); got != raid {
			t.Errorf("visit %d begins a raid: %t", i, got)
		}
	}
	at := noon.Add(20 * time.Second)
	for first, want := range map[time.Time]string{noon.Add(time.Second): RuleRaid, noon.Add(-time.Hour): "", {}: ""} {
		v := j.Judge(r, Line{At: at, User: "x", Rank: 0, Text: "hi", First: first}, nil)
		if v.Rule != want || want != "" && v.Step.String() != "ban:1d" {
			t.Errorf("a visitor since %s: %+v", first, v)
		}
	}
	if !j.Raid(at.Add(time.Hour)).IsZero() || j.Raid(at).IsZero() {
		t.Error("the raid does not last a minute")
	}
}

// Exempt ranks are never judged, and what is not RE2 is refused by its setting's name.
func TestConfig(t *testing.T) {
	t.Parallel()
	r := compile(t, Config{DenyWords: []string{"x"}, Steps: []string{"warn", "mute:10m", "ban:7d"}})
	if v := (&Judge{}).Judge(r, Line{User: "mod", Rank: 2, Text: "x"}, nil); v.Rule != "" {
		t.Error("a moderator was judged")
	}
	for n, want := range map[int]string{0: "warn", 1: "warn", 2: "mute:10m", 3: "ban:7d", 9: "ban:7d"} {
		if got := r.Step(n).String(); got != want {
			t.Errorf("step %d is %s, want %s", n, got, want)
		}
	}
	for want, c := range map[string]Config{
		`deny_words: "(?=x)" is no pattern`: {DenyWords: []string{"(?=x)"}},
		`allow_words: "(" is no pattern`:    {AllowWords: []string{"("}},
		`steps: "mute:0m" lasts no time`:    {Steps: []string{"mute:0m"}},
		`steps: "kick:1h" is no step`:       {Steps: []string{"kick:1h"}},
		`raid_step: "hug" is no step`:       {RaidStep: "hug"},
	} {
		if c.RaidStep == "" {
			c.RaidStep = "kick"
		}
		if _, err := Compile(c); err == nil || !strings.Contains(err.Error(), want) || event.CodeOf(err) != event.InvalidInput {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Any line is judged, and judged the same again.
func FuzzJudge(f *testing.F) {
	for _, text := range []string{"hello", "https://youtube.com@evil.tld/x?y#z", "LOUD LOUD LOUD", "[a](b.com)", "\u200b。．[::1]", "http://%zz", "@:", "a@b@c.com:99999"} {
		f.Add("alice", text)
	}
	config := Config{
		FloodLines: 3, FloodTime: time.Second, Repeat: 2, RepeatTime: time.Minute, Caps: 70, CapsLetters: 3, Links: "deny",
		AllowHosts: []string{"youtube.com"}, DenyHosts: []string{"evil.tld"}, DenyWords: []string{"spam", `b[ua]d+`}, RaidRepeat: 2,
	}
	f.Fuzz(func(t *testing.T, user, text string) {
		r := compile(t, config)
		lines := make([]Verdict, 2)
		for i := range lines {
			j := &Judge{}
			lines[i] = j.Judge(r, Line{At: noon, User: user, Text: text}, vocabulary)
		}
		if fmt.Sprint(lines[0]) != fmt.Sprint(lines[1]) {
			t.Errorf("judged %v, then %v", lines[0], lines[1])
		}
		for _, host := range Hosts(text) {
			if host == "" || strings.ContainsAny(host, "/?#@ ") {
				t.Errorf("the host of a link in %q is %q", text, host)
			}
		}
	})
}
