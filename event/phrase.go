package event

import "errors"

// SharedTexts is the name of the plugin whose settings are the texts of phrases, for all plugins.
const SharedTexts = "texts"

// Phrase is the message of an error that no plugin words itself, as of what is no time or no link: a
// channel may have other words for it, in the setting Text of the plugin SharedTexts.
type Phrase struct {
	Text    string
	Values  map[string]any // what the text may use
	Message string         // in English
}

// Error returns the message in English.
func (p *Phrase) Error() string { return p.Message }

// NewPhrase returns an Error that is a phrase.
func NewPhrase(code Code, message, text string, values map[string]any) *Error {
	return Errorf(code, "%w", &Phrase{Text: text, Values: values, Message: message})
}

// ReasonPhrase returns why a channel or its site refused something as a phrase.
func ReasonPhrase(reason string) Phrase {
	return Phrase{Text: "reason", Values: map[string]any{"reason": reason}, Message: reason}
}

// PhraseOf returns the phrase that an error is or wraps.
func PhraseOf(err error) (p *Phrase, ok bool) {
	ok = errors.As(err, &p)
	return p, ok
}
