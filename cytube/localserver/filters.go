package localserver

import (
	"encoding/json"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// filter rewrites chat lines.
type filter struct {
	Name        string `json:"name"`
	Source      string `json:"source"`
	Flags       string `json:"flags"`
	Replace     string `json:"replace"`
	Active      bool   `json:"active"`
	FilterLinks bool   `json:"filterlinks"`

	find    *regexp.Regexp
	replace string // for find
}

// defaultFilters are the ones that a registered channel starts out with.
func defaultFilters() (list []filter) {
	for _, f := range []filter{
		{Name: "monospace", Source: "`(.+?)`", Flags: "g", Replace: `<code>\1</code>`},
		{Name: "bold", Source: `\*(.+?)\*`, Flags: "g", Replace: `<strong>\1</strong>`},
		{Name: "italic", Source: `_(.+?)_`, Flags: "g", Replace: `<em>\1</em>`},
		{Name: "strike", Source: `~~(.+?)~~`, Flags: "g", Replace: `<s>\1</s>`},
		{Name: "inline spoiler", Source: `\[sp\](.*?)\[\/sp\]`, Flags: "ig", Replace: `<span class="spoiler">\1</span>`},
	} {
		f.Active = true
		_ = f.compile()
		list = append(list, f)
	}
	return list
}

var (
	group  = regexp.MustCompile(`\\(\d)`) // a group in a replacement
	dollar = regexp.MustCompile(`\$(\d)`) // the same as clients may write it
)

// compile readies the filter for use; its error is in the words of the real server's regular expressions.
func (f *filter) compile() (err error) {
	source := strings.ReplaceAll(f.Source, `\/`, "/")
	if strings.Contains(f.Flags, "i") {
		source = "(?i)" + source
	}
	f.find, err = regexp.Compile(source)
	var problem *syntax.Error
	if errors.As(err, &problem) {
		return errors.New(strings.Replace(problem.Code.String(), "missing closing", "missing", 1))
	}
	f.replace = group.ReplaceAllString(strings.ReplaceAll(f.Replace, "$", "$$"), "${$1}")
	return err
}

// apply rewrites text by the active filters, or by those for links.
func apply(filters []filter, text string, links bool) string {
	for _, f := range filters {
		if f.Active && (f.FilterLinks || !links) {
			text = f.find.ReplaceAllString(text, f.replace)
		}
	}
	return text
}

// filterChange is a filter as a client describes it; a value of the wrong type counts as missing.
type filterChange struct{ Name, Source, Flags, Replace, Active, FilterLinks any }

// filter returns the filter that a client describes; false when it is none.
func (d filterChange) filter() (f filter, ok bool, err error) {
	source, hasSource := d.Source.(string)
	flags, hasFlags := d.Flags.(string)
	replace, hasReplace := d.Replace.(string)
	name, _ := d.Name.(string)
	if name == "" {
		name = source
	}
	f = filter{
		Name: name, Source: source, Flags: flags, Replace: dollar.ReplaceAllString(replace, `\$1`),
		Active: truthy(d.Active), FilterLinks: truthy(d.FilterLinks),
	}
	err = f.compile()
	return f, hasSource && hasFlags && hasReplace, err
}

func (ch *Channel) filterIndex(name string) int {
	return slices.IndexFunc(ch.filters, func(f filter) bool { return f.Name == name })
}

func (ch *Channel) addFilter(c *Session, data filterChange) {
	f, ok, err := data.filter()
	switch {
	case err != nil:
		c.alert("Invalid regex: " + err.Error())
	case !ok:
	case ch.filterIndex(f.Name) >= 0:
		c.alert("Filter add failed: Filter '" + f.Name + "' already exists.  Please choose a different name")
	default:
		ch.filters = append(ch.filters, f)
		c.Emit("addFilterSuccess")
		ch.broadcastTo("filteredit", "updateChatFilter", f)
	}
}

func (ch *Channel) updateFilter(c *Session, data filterChange) {
	f, ok, err := data.filter()
	at := ch.filterIndex(f.Name)
	switch {
	case err != nil:
		c.alert("Invalid regex: " + err.Error())
	case !ok:
	case at < 0:
		c.alert("Filter update failed: Filter to be updated does not exist")
	default:
		ch.filters[at] = f
		ch.broadcastTo("filteredit", "updateChatFilter", f)
	}
}

// removeFilter removes a filter, and tells so, in the client's words, also of one that is not there.
func (ch *Channel) removeFilter(_ *Session, data json.RawMessage) {
	var f struct{ Name *string }
	if json.Unmarshal(data, &f) == nil && f.Name != nil {
		ch.filters = slices.DeleteFunc(ch.filters, func(known filter) bool { return known.Name == *f.Name })
		ch.broadcastTo("filteredit", "deleteChatFilter", data)
	}
}

// moveFilter moves a filter to another place of the list, and tells nobody.
func (ch *Channel) moveFilter(c *Session, data indexMove) {
	if !moveIndex(ch.filters, data) {
		c.alert("Filter move failed: Argument out of range")
	}
}

// importFilters replaces the list by the filters that are complete.
func (ch *Channel) importFilters(_ *Session, list []filterChange) {
	ch.filters = nil
	for _, data := range list {
		if f, ok, err := data.filter(); ok && err == nil {
			ch.filters = append(ch.filters, f)
		}
	}
	ch.broadcastTo("filteredit", "chatFilters", listOf(ch.filters))
}

func (ch *Channel) sendFilters(c *Session) { c.Emit("chatFilters", listOf(ch.filters)) }
