package pluginsettings

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/internal/timeparse"
)

// formatExpression is the format of texts that are regular expressions, of RE2 for the bot.
const formatExpression = "regex"

var errNoValue = errors.New("not such a value")

// Check returns an INVALID_INPUT error that says what the value must be.
func (p Property) Check(value json.RawMessage) error {
	var v any
	err := json.Unmarshal(value, &v)
	if err == nil {
		err = p.resolved.Validate(v)
	}
	if err != nil {
		return event.Errorf(event.InvalidInput, "%s must be %s, not %s", p.Key, p.wanted(err), p.Text(value)).With("field", p.Key)
	}
	if text, ok := v.(string); ok && p.Validate != nil {
		return p.Validate(text)
	}
	return p.checkExpressions(v)
}

// checkExpressions compiles the regular expressions of a value.
func (p Property) checkExpressions(v any) error {
	texts := []any{v}
	of := p.schema
	if list, ok := v.([]any); ok && of.Items != nil {
		texts, of = list, of.Items
	}
	for _, text := range texts {
		if expression, ok := text.(string); ok && of.Format == formatExpression {
			if _, err := regexp.Compile(expression); err != nil {
				return event.Errorf(event.InvalidInput, "%s: %q is no regular expression of RE2: %w", p.Key, expression, err).With("field", p.Key)
			}
		}
	}
	return nil
}

// Parse returns the value that somebody typed for the setting.
func (p Property) Parse(text string) (json.RawMessage, error) {
	value, err := p.parse(strings.TrimSpace(text))
	if err != nil {
		return nil, event.Errorf(event.InvalidInput, "%s must be %s, not %s", p.Key, p.wanted(nil), text).With("field", p.Key)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", p.Key, err)
	}
	return raw, p.Check(raw)
}

func (p Property) parse(text string) (any, error) {
	switch p.schema.Type {
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "on", "yes":
			return true, nil
		case "false", "off", "no":
			return false, nil
		}
		return nil, errNoValue
	case "integer", "number":
		if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
			return n, nil
		}
		if p.Unit != Seconds {
			return nil, errNoValue
		}
		d, err := timeparse.Duration(text)
		return d.Seconds(), err
	case "string":
		return text, nil
	case "array":
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }), nil
	}
	var v any
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// Text returns a value as people type it.
func (p Property) Text(value json.RawMessage) string {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return string(value)
	}
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "on"
		}
		return "off"
	case float64:
		return p.number(v)
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, fmt.Sprint(e))
		}
		return strings.Join(parts, ",")
	}
	return string(value)
}

func (p Property) number(n float64) string {
	if p.Unit == Seconds {
		text := time.Duration(n * float64(time.Second)).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// wanted describes the values of the setting, and the validator's error where the schema
// says more than that.
func (p Property) wanted(err error) string {
	s := p.schema
	var kind string
	switch {
	case len(s.Enum) > 0:
		var names []string
		for _, e := range s.Enum {
			names = append(names, fmt.Sprint(e))
		}
		return strings.Join(names, " or ")
	case p.Unit == Seconds:
		kind = "a time such as 90s or 2h"
	case s.Type == "integer":
		kind = "a whole number"
	case s.Type == "boolean":
		kind = "on or off"
	case s.Type == "array" && s.Items != nil && len(s.Items.Examples) > 0:
		kind = fmt.Sprintf("words with commas between them, each such as %v", s.Items.Examples[0])
	case s.Type == "array":
		kind = "words with commas between them"
	case s.Type == "string" && s.Pattern == "" && s.MaxLength == nil:
		kind = "a text"
	case s.Type == "number":
		kind = "a number"
	case s.Pattern != "" && len(s.Examples) > 0: // which people read more easily than the pattern
		var texts []string
		for _, e := range s.Examples {
			texts = append(texts, fmt.Sprint(e))
		}
		kind = "a text such as " + strings.Join(texts, " or ")
	case s.Pattern != "" && s.Description != "":
		kind = "a text of its form (" + s.Description + ")"
	case err != nil:
		return "what its schema says (" + err.Error() + ")"
	default:
		kind = "JSON"
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		kind += fmt.Sprintf(" from %s to %s", p.number(*s.Minimum), p.number(*s.Maximum))
	case s.Minimum != nil:
		kind += fmt.Sprintf(" of %s or more", p.number(*s.Minimum))
	case s.Maximum != nil:
		kind += fmt.Sprintf(" of %s or less", p.number(*s.Maximum))
	}
	return kind
}
