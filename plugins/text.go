package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/rosey-bot/rosey/consumers/pluginsettings"
	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/texttemplate"
)

// Text is a setting that is a message: a template of text/template, whose default is in the tag
// default, and what it may use in the tag uses, each as NAME or NAME:KIND of int, number, bool,
// duration, time, list:
//
//	Hello plugins.Text `json:"hello" default:"Hello, {{.user}}!" uses:"user,visits:int" jsonschema:"the greeting"`
//
// Context.SayText says it. One that is set is checked when it is set: it may use those values and
// a set of functions, all of which end soon, and nothing else.
type Text struct {
	key             string
	text, otherwise json.RawMessage
	uses            []string
}

// Values are what a Text uses, by name. They are put in as they are, so that nothing that a user
// typed is expanded.
type Values map[string]any

var textType = reflect.TypeFor[Text]()

func newText(p pluginsettings.Property, value json.RawMessage) Text {
	return Text{key: p.Key, text: value, otherwise: p.Default, uses: p.Template}
}

// describeText completes the schema of a text.
func describeText(s *jsonschema.Schema, f reflect.StructField) {
	uses := strings.FieldsFunc(f.Tag.Get("uses"), func(r rune) bool { return r == ',' || r == ' ' })
	s.Extra = map[string]any{pluginsettings.TemplateKeyword: append([]string{}, uses...)}
	if len(uses) > 0 {
		s.Description += "; may use " + texttemplate.Names(uses)
	}
}

// SayText returns a text as a chat message, as Say does; one that is empty says nothing.
func (c *Context) SayText(t Text, values Values) []event.Envelope {
	return c.Tell(Recipient{}, c.Render(t, values))
}

// Recipient is whom Context.Tell tells something. The zero Recipient is whoever Say answers.
type Recipient struct {
	User    string // whose name stands before a message in the channel
	Private bool   // by private message, which nobody gets where User is ""
}

// Tell returns a message, such as a rendered Text; one that is empty says nothing.
func (c *Context) Tell(to Recipient, text string) []event.Envelope {
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case to.Private && to.User == "":
		return nil
	case to.Private:
		return c.PM(to.User, "%s", text)
	case to.User != "":
		return c.Say("%s: %s", to.User, text)
	}
	return c.Say("%s", text)
}

// Refuse returns an error whose message is a text, to be returned by the handler of a command. The
// user is answered with it, or not where it is empty.
func (c *Context) Refuse(code event.Code, t Text, values Values) error {
	return event.Errorf(code, "%s", c.Render(t, values))
}

// Render returns a text with its values. Where the text that is set cannot be rendered with them,
// that is logged, and the default is returned. A default that cannot be rendered is a mistake of
// the plugin and fails the handler.
func (c *Context) Render(t Text, values Values) string {
	out, err := t.format(t.text, values, c.Rand())
	if err == nil {
		return out
	}
	if !bytes.Equal(t.text, t.otherwise) {
		c.Log.WarnContext(c, "text not usable, default used", "key", t.key, "channel", c.Channel(), "error", event.Personal(err.Error()))
		if out, err = t.format(t.otherwise, values, c.Rand()); err == nil {
			return out
		}
	}
	c.output(event.Envelope{}, fmt.Errorf("default text %s: %w", t.key, err))
	return ""
}

// Format returns the text that is set with its values, for who has no Context.
func (t Text) Format(values Values, random *rand.Rand) (string, error) {
	return t.format(t.text, values, random)
}

func (t Text) format(raw json.RawMessage, values Values, random *rand.Rand) (string, error) {
	var text string
	_ = json.Unmarshal(raw, &text) // was checked
	parsed, err := texttemplate.Parse(text, t.uses)
	if err != nil {
		return "", err
	}
	return parsed.Render(values, random)
}

// Explain returns the message of an error, whose phrase is in the channel's words: Rosey's own errors,
// as of what is no time, have theirs in the settings of the plugin texts. What a handler of a
// command returns is explained by itself.
func (c *Context) Explain(err error) string {
	p, ok := event.PhraseOf(err)
	if !ok {
		return err.Error()
	}
	return strings.Replace(err.Error(), p.Message, c.runtime.words(c, c.Channel(), *p, c.Rand()), 1)
}

// Reason returns why a channel or its site refused something (see event.Delivery) in the channel's
// words: the text reason of the plugin texts.
func (c *Context) Reason(reason string) string {
	return c.runtime.words(c, c.Channel(), event.ReasonPhrase(reason), c.Rand())
}
