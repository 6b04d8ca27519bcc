package pluginsettings

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/texttemplate"
)

// Loader loads the settings of a plugin in a channel as they are now.
type Loader interface {
	Load(ctx context.Context, plugin, channel string) (Set, error)
}

// Words returns a phrase in the words that the channel has for it, which are a setting of the plugin
// event.SharedTexts, and in English where it has none; "" where the channel wants nothing said.
// Words that cannot be used are logged. A random of nil is a new one.
func Words(ctx context.Context, from Loader, log *slog.Logger, channel string, p event.Phrase, random *rand.Rand) string {
	if random == nil {
		random = rand.New(rand.NewPCG(rand.Uint64(), 0))
	}
	set, err := from.Load(ctx, event.SharedTexts, channel)
	value, _, ok := set.Value(p.Text)
	if err == nil && !ok {
		return p.Message
	}
	var text, said string
	var t texttemplate.Template
	if err == nil {
		err = json.Unmarshal(value, &text)
	}
	if err == nil {
		t, err = texttemplate.Parse(text, kindsOf(p.Values))
	}
	if err == nil {
		said, err = t.Render(p.Values, random)
	}
	if err != nil {
		log.WarnContext(ctx, "text not usable, default used", "key", p.Text, "channel", channel, "error", event.Personal(err.Error()))
		return p.Message
	}
	if strings.TrimSpace(said) == "" {
		return ""
	}
	return said
}

// kindsOf returns the names of values with their kinds, as a template is parsed with them.
func kindsOf(values map[string]any) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		names = append(names, name+":"+texttemplate.KindOf(values[name]))
	}
	return names
}
