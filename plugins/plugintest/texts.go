package plugintest

import (
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/plugins"
)

// Texts returns for each setting of a plugin that is a text one to set it to: its key, and all
// that it may use. It is said only where the plugin gives all of that.
func Texts(p plugins.Plugin) map[string]string {
	texts := map[string]string{}
	for key, property := range p.Properties() {
		if property.Template == nil {
			continue
		}
		text := "[" + key + ":"
		for _, name := range property.Template {
			name, _, _ = strings.Cut(name, ":")
			text += " {{." + name + "}}"
		}
		texts[key] = text + "]"
	}
	return texts
}

// Unsaid returns the keys of those of Texts, but for the exceptions, that are in none of the lines,
// sorted.
func Unsaid(texts map[string]string, lines []string, except ...string) (keys []string) {
	said := strings.Join(lines, "\n")
	for key := range texts {
		if !strings.Contains(said, "["+key+":") && !slices.Contains(except, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
