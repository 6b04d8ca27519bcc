package trivia

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// The difficulties of questions.
const (
	Easy   = "easy"
	Medium = "medium"
	Hard   = "hard"
)

// Difficulties lists them, and Points the points for a question of each.
var (
	Difficulties = []string{Easy, Medium, Hard}
	Points       = map[string]int{Easy: 10, Medium: 20, Hard: 30}
)

// Limits of a question, in characters.
const (
	maxQuestion = 300
	maxAnswer   = 80
)

// Question is one question of a pack. The first of its answers is shown to users.
type Question struct {
	ID         string   `json:"id"`
	Category   string   `json:"category"`
	Difficulty string   `json:"difficulty"`
	Text       string   `json:"question"`
	Answers    []string `json:"answers"`
}

// Pack is the content of a question file.
type Pack struct {
	Name      string     `json:"name"`
	Questions []Question `json:"questions"`
}

//go:embed packs/default.json
var defaultPack []byte

// Load returns the plugin's own questions and those of further files, or of all .json
// files of a folder. The error names the file and the invalid question.
func Load(paths ...string) ([]Question, error) {
	all, err := parse("default.json", defaultPack)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		files := []string{path}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("question pack: %w", err)
		}
		if info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(path, "*.json")); err != nil {
				return nil, fmt.Errorf("question packs in %s: %w", path, err)
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("question packs in %s: there are no .json files", path)
			}
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("question pack: %w", err)
			}
			questions, err := parse(file, data)
			if err != nil {
				return nil, err
			}
			all = append(all, questions...)
		}
	}
	seen := map[string]bool{}
	for _, q := range all {
		if seen[q.ID] {
			return nil, fmt.Errorf("two questions have the id %q: rename one", q.ID)
		}
		seen[q.ID] = true
	}
	return all, nil
}

// parse decodes a pack. A question without an ID gets one from the file's name and its
// index.
func parse(file string, data []byte) ([]Question, error) {
	var p Pack
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("question pack %s: %w (it must be {\"name\": …, \"questions\": [{\"category\", \"difficulty\", \"question\", \"answers\"}, …]})", file, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("question pack %s: there is something after the pack's last }", file)
	}
	if len(p.Questions) == 0 {
		return nil, fmt.Errorf("question pack %s: it has no questions", file)
	}
	base := strings.TrimSuffix(filepath.Base(file), ".json")
	for i := range p.Questions {
		q := &p.Questions[i]
		q.Category = strings.ToLower(strings.TrimSpace(q.Category))
		q.Difficulty = strings.ToLower(q.Difficulty)
		if q.ID == "" {
			q.ID = fmt.Sprintf("%s-%d", base, i+1)
		}
		if err := q.check(); err != nil {
			return nil, fmt.Errorf("question pack %s: question %d (%.40q): %w", file, i+1, q.Text, err)
		}
	}
	return p.Questions, nil
}

func (q Question) check() error {
	switch n := utf8.RuneCountInString(strings.TrimSpace(q.Text)); {
	case n == 0:
		return errors.New("question is required")
	case n > maxQuestion:
		return fmt.Errorf("question has %d characters, and %d is the most", n, maxQuestion)
	case q.Category == "" || strings.ContainsAny(q.Category, " \t\n"):
		return fmt.Errorf("category must be one word, not %q", q.Category)
	case slices.Contains(Difficulties, q.Category) || q.Category == anyOf:
		return fmt.Errorf("category cannot be %s, which is a difficulty", q.Category)
	case !slices.Contains(Difficulties, q.Difficulty):
		return fmt.Errorf("difficulty must be %s, not %q", strings.Join(Difficulties, ", "), q.Difficulty)
	case len(q.Answers) == 0:
		return errors.New("answers needs at least one")
	}
	for _, a := range q.Answers {
		if n := utf8.RuneCountInString(a); n > maxAnswer {
			return fmt.Errorf("answer %.20q has %d characters, and %d is the most", a, n, maxAnswer)
		}
		if normal(a) == "" {
			return fmt.Errorf("answer %q has no letter or digit", a)
		}
	}
	return nil
}

// anyOf stands for any difficulty.
const anyOf = "any"

// choice filters questions; its zero value selects all.
type choice struct{ Difficulty, Category string }

func (c choice) of(pool []Question) []Question {
	var out []Question
	for _, q := range pool {
		if (c.Difficulty == "" || q.Difficulty == c.Difficulty) && (c.Category == "" || q.Category == c.Category) {
			out = append(out, q)
		}
	}
	return out
}

// read parses a difficulty, or a category or its prefix.
func (c *choice) read(word string, pool []Question) error {
	word = plugins.Fold(word)
	switch {
	case word == anyOf || word == "mixed":
		c.Difficulty = ""
		return nil
	case slices.Contains(Difficulties, word):
		c.Difficulty = word
		return nil
	}
	all := categories(pool)
	var found []string
	for _, name := range all {
		if name == word {
			found = []string{name}
			break
		}
		if strings.HasPrefix(name, word) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return event.Errorf(event.InvalidInput, "I do not know %q: say how many questions, %s, or one of %s",
			plugins.Shorten(word, 30), strings.Join(Difficulties, ", "), strings.Join(all, ", "))
	}
	c.Category = found[0]
	return nil
}

func categories(pool []Question) []string {
	var all []string
	for _, q := range pool {
		if !slices.Contains(all, q.Category) {
			all = append(all, q.Category)
		}
	}
	slices.Sort(all)
	return all
}
