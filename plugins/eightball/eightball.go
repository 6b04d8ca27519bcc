// Package eightball is the plugin 8ball: !8ball will it rain?
package eightball

import (
	"strings"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/plugins"
)

// New returns the plugin.
func New() plugins.Plugin {
	return plugins.Plugin{
		Name:         "8ball",
		Version:      "1.0.0",
		Description:  "Answers questions that have a yes or a no",
		Concurrent:   true, // an answer depends on its question alone
		Capabilities: []string{event.CapabilityChat, event.CapabilityPM},
		Commands: []plugins.Command{{
			Name:        "8ball",
			Aliases:     []string{"eightball"},
			Usage:       "will it rain?",
			Description: "asks the magic 8-ball a question",
			Handle:      ask,
		}},
		Requests: []plugins.Endpoint{{Handle: request}},
		Settings: Settings{},
	}
}

// Settings are the plugin's settings.
type Settings struct {
	Answer plugins.Text `json:"answer" default:"🎱 {{.user}}: {{.answer}}" uses:"user,question,answer,tone" jsonschema:"how an answer is said; .tone is yes, maybe or no"`
	Usage  plugins.Text `json:"usage" default:"ask me something, for example {{.prefix}}8ball will it rain?" uses:"user,prefix" jsonschema:"what is said to who asks nothing"`
}

// Tone classifies an answer.
type Tone string

// The tones of the answers.
const (
	Yes   Tone = "yes"
	Maybe Tone = "maybe"
	No    Tone = "no"
)

// Answer is one side of the ball's die.
type Answer struct {
	Tone Tone
	Text string
}

// Answers are the twenty sides of the toy's die: ten yes, five maybe and five no.
var Answers = [...]Answer{
	{Yes, "It is certain."},
	{Yes, "It is decidedly so."},
	{Yes, "Without a doubt."},
	{Yes, "Yes, definitely."},
	{Yes, "You may rely on it."},
	{Yes, "As I see it, yes."},
	{Yes, "Most likely."},
	{Yes, "Outlook good."},
	{Yes, "Yes."},
	{Yes, "Signs point to yes."},
	{Maybe, "Reply hazy, try again."},
	{Maybe, "Ask again later."},
	{Maybe, "Better not tell you now."},
	{Maybe, "Cannot predict now."},
	{Maybe, "Concentrate and ask again."},
	{No, "Don't count on it."},
	{No, "My reply is no."},
	{No, "My sources say no."},
	{No, "Outlook not so good."},
	{No, "Very doubtful."},
}

func ask(c *plugins.Context) ([]event.Envelope, error) {
	question := strings.Join(strings.Fields(strings.Join(c.Command.Args, " ")), " ")
	texts := plugins.SettingsOf[Settings](c)
	if question == "" {
		usage := c.Render(texts.Usage, plugins.Values{"user": c.Command.User, "prefix": c.Prefix()})
		return nil, event.Errorf(event.InvalidInput, "%s", usage)
	}
	a := shake(c)
	return c.SayText(texts.Answer, plugins.Values{"user": c.Command.User, "question": question, "answer": a.Text, "tone": a.Tone}), nil
}

// request handles plugin.8ball.request {"question": "…"}.
func request(c *plugins.Context) (any, error) {
	var r struct{ Question string }
	if err := c.Decode(&r); err != nil {
		return nil, err
	}
	if strings.TrimSpace(r.Question) == "" {
		return nil, event.Errorf(event.InvalidInput, "question is required").With("field", "question")
	}
	a := shake(c)
	return map[string]any{"success": true, "answer": a.Text, "tone": a.Tone}, nil
}

func shake(c *plugins.Context) Answer { return Answers[c.Rand().IntN(len(Answers))] }
