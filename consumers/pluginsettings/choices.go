package pluginsettings

import "fmt"

// Choices returns the values that a setting may have, as people type them, if they are few;
// nil if not.
func (p Property) Choices() (all []string) {
	if p.schema == nil {
		return nil
	}
	if p.schema.Type == "boolean" {
		return []string{"on", "off"}
	}
	for _, v := range p.schema.Enum {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// Wanted says what values the setting may have.
func (p Property) Wanted() string {
	if p.schema == nil {
		return ""
	}
	return p.wanted(nil)
}
