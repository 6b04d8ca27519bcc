package trivia

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The shipped pack is large enough, even, and fit to be asked.
func TestShippedPack(t *testing.T) {
	t.Parallel()
	pool, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(pool) < 150 {
		t.Errorf("%d questions, want 150", len(pool))
	}
	texts := map[string]bool{}
	for _, q := range pool {
		if texts[q.Text] {
			t.Errorf("%q is asked twice", q.Text)
		}
		texts[q.Text] = true
		if n := utf8.RuneCountInString(q.Text); n > 160 {
			t.Errorf("%s: %d characters do not fit a line of chat with the rest", q.ID, n)
		}
		for _, a := range q.Answers {
			if strings.Contains(" "+normal(q.Text)+" ", " "+normal(a)+" ") {
				t.Errorf("%s: the question %q holds its answer %q", q.ID, q.Text, a)
			}
		}
	}
	for _, c := range categories(pool) {
		for _, d := range Difficulties {
			if n := len(choice{d, c}.of(pool)); n < 8 {
				t.Errorf("%s has %d %s questions, want 8", c, n, d)
			}
		}
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const anime = `{"name":"Anime","questions":[
	{"category":"Anime","difficulty":"Easy","question":"Which robot cat is blue?","answers":["Doraemon"]},
	{"category":"anime","difficulty":"hard","question":"Who directed Akira?","answers":["Katsuhiro Otomo","Otomo"]}]}`

func TestLoad(t *testing.T) {
	t.Parallel()
	path := write(t, "anime.json", anime)
	own, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		pool, err := Load(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := pool[len(own):]; len(got) != 2 || got[0].ID != "anime-1" || got[0].Category != "anime" || got[0].Difficulty != Easy {
			t.Errorf("from %s: %+v", p, got)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	question := func(fields string) string { return `{"questions":[{` + fields + `}]}` }
	for content, says := range map[string]string{
		``:                            "it must be",
		`[]`:                          "it must be",
		`{"questions":[]}`:            "it has no questions",
		`{"questions":[],"x":1}`:      "unknown field",
		anime + `{}`:                  "something after",
		question(`"category":"x"`):    "question is required",
		question(`"question":"Who?"`): "category must be one word",
		question(`"question":"Who?","category":"two words","difficulty":"easy","answers":["x"]`):                     "category must be one word",
		question(`"question":"Who?","category":"easy","difficulty":"easy","answers":["x"]`):                          "which is a difficulty",
		question(`"question":"Who?","category":"x","difficulty":"tough","answers":["x"]`):                            `difficulty must be easy, medium, hard, not "tough"`,
		question(`"question":"Who?","category":"x","difficulty":"easy","answers":[]`):                                "answers needs at least one",
		question(`"question":"Who?","category":"x","difficulty":"easy","answers":["?!"]`):                            "has no letter or digit",
		question(`"question":"` + strings.Repeat("x", 301) + `","category":"x","difficulty":"easy","answers":["x"]`): "301 characters",
		question(`"id":"geography-easy-1","question":"Who?","category":"x","difficulty":"easy","answers":["x"]`):     "two questions have the id",
	} {
		path := write(t, "pack.json", content)
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want an error that says %q", content, err, says)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "nowhere.json"), t.TempDir()} {
		if _, err := Load(path); err == nil {
			t.Errorf("%s can be loaded", path)
		}
	}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	pool, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]choice{
		"": {}, "hard": {Hard, ""}, "MEDIUM science": {Medium, "science"}, "geo easy": {Easy, "geography"}, "hard any": {}, "mixed": {},
	} {
		var got choice
		for _, w := range strings.Fields(words) {
			if err := got.read(w, pool); err != nil {
				t.Error(err)
			}
		}
		if got != want {
			t.Errorf("%q is %+v, want %+v", words, got, want)
		}
	}
	for _, word := range []string{"g", "bananas", strings.Repeat("x", 200)} { // g begins two categories
		var c choice
		if err := c.read(word, pool); err == nil || len(err.Error()) > 240 {
			t.Errorf("%.10s is %+v, %v", word, c, err)
		}
	}
}

// What was asked lately is asked again only when nothing else is left.
func TestChoose(t *testing.T) {
	t.Parallel()
	pool, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	pool = pool[:10]
	var seen []string
	for _, q := range pool[:7] {
		seen = append(seen, q.ID)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		got := choose(pool, 4, seen, random)
		fresh := 0
		for _, q := range got {
			if !slices.Contains(seen, q.ID) {
				fresh++
			}
		}
		if len(got) != 4 || fresh != 3 || got[3].ID != seen[0] {
			t.Fatalf("chose %d, %d of them fresh, then %s; want the 3 fresh ones and %s", len(got), fresh, got[3].ID, seen[0])
		}
	}
	if n := len(choose(pool, 100, nil, random)); n != 10 {
		t.Errorf("chose %d of 10", n)
	}
}
