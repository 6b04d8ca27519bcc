package localserver

import (
	"encoding/json"
	"errors"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/rosey-bot/rosey/internal/markup"
)

// regexProblem returns an error of compiling a filter in the words of the real server's regular expressions.
func regexProblem(err error) error {
	if problem, ok := errors.AsType[*syntax.Error](err); ok {
		return errors.New(strings.Replace(problem.Code.String(), "missing closing", "missing", 1))
	}
	return err
}

func (ch *Channel) setFilters(list []markup.Filter) {
	ch.filters, ch.renderer = list, markup.NewRenderer(list)
}

// filterChange is a filter as a client describes it; a value of the wrong type counts as missing.
type filterChange struct{ Name, Source, Flags, Replace, Active, FilterLinks any }

// filter returns the filter that a client describes; false when it is none.
func (d filterChange) filter() (f markup.Filter, ok bool, err error) {
	source, hasSource := d.Source.(string)
	flags, hasFlags := d.Flags.(string)
	replace, hasReplace := d.Replace.(string)
	name, _ := d.Name.(string)
	if name == "" {
		name = source
	}
	f = markup.Filter{
		Name: name, Source: source, Flags: markup.Flags(flags), Replace: markup.Groups(replace),
		Active: truthy(d.Active), Links: truthy(d.FilterLinks),
	}
	_, err = f.Compile()
	return f, hasSource && hasFlags && hasReplace, regexProblem(err)
}

func (ch *Channel) filterIndex(name string) int {
	return slices.IndexFunc(ch.filters, func(f markup.Filter) bool { return f.Name == name })
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
		ch.setFilters(append(ch.filters, f))
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
		ch.setFilters(ch.filters)
		ch.broadcastTo("filteredit", "updateChatFilter", f)
	}
}

// removeFilter removes a filter, and tells so, in the client's words, also of one that is not there.
func (ch *Channel) removeFilter(_ *Session, data json.RawMessage) {
	var f struct{ Name *string }
	if json.Unmarshal(data, &f) == nil && f.Name != nil {
		ch.setFilters(slices.DeleteFunc(ch.filters, func(known markup.Filter) bool { return known.Name == *f.Name }))
		ch.broadcastTo("filteredit", "deleteChatFilter", data)
	}
}

// moveFilter has two filters change places, as the real server does, and tells nobody.
func (ch *Channel) moveFilter(c *Session, data indexMove) {
	if min(data.From, data.To) < 0 || max(data.From, data.To) >= len(ch.filters) {
		c.alert("Filter move failed: Argument out of range")
		return
	}
	ch.filters[data.From], ch.filters[data.To] = ch.filters[data.To], ch.filters[data.From]
	ch.setFilters(ch.filters)
}

// importFilters replaces the list by the filters that are complete.
func (ch *Channel) importFilters(_ *Session, list []filterChange) {
	var complete []markup.Filter
	for _, data := range list {
		if f, ok, err := data.filter(); ok && err == nil {
			complete = append(complete, f)
		}
	}
	ch.setFilters(complete)
	ch.broadcastTo("filteredit", "chatFilters", listOf(ch.filters))
}

func (ch *Channel) sendFilters(c *Session) { c.Emit("chatFilters", listOf(ch.filters)) }
