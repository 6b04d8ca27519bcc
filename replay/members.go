package replay

import "github.com/rosey-bot/rosey/internal/rawjson"

// members calls visit with the name and the raw value of each member of a JSON
// object, in order, and reports whether b is one valid JSON object; until an error
// is found, it visits what precedes it. Values are parts of b.
func members(b []byte, visit func(name, value []byte)) bool {
	return rawjson.Members(b, func(name, value []byte) error {
		visit(name, value)
		return nil
	}) == nil
}

// member returns the text of a JSON object's member, or "".
func member(object []byte, wanted string) (text string) {
	members(object, func(name, value []byte) {
		if string(name) == wanted {
			text = string(unquote(value))
		}
	})
	return text
}

// unquote returns the text of a raw JSON string, or nil for any other value.
func unquote(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return rawjson.Text(raw)
}
