package texttemplate

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"

	"github.com/rosey-bot/rosey/internal/suggest"
)

// name is the name of each template, by which errors are recognised.
const name = "text"

// parseTree parses a text. The functions are known by their names alone, so that there are no
// others.
func parseTree(text string) (*parse.Tree, error) {
	trees, err := parse.Parse(name, text, "", "", known)
	if err != nil {
		return nil, syntaxError(text, err)
	}
	if len(trees) != 1 || trees[name] == nil {
		if text == "" || len(trees) == 0 {
			return &parse.Tree{Name: name, Root: &parse.ListNode{NodeType: parse.NodeList}}, nil
		}
		return nil, at(text, strings.Index(text, "{{"), "{{define}} and {{block}} are not allowed in a text")
	}
	return trees[name], nil
}

// at returns an error with its place, of which the offset is in bytes.
func at(text string, offset int, format string, args ...any) error {
	offset = min(max(offset, 0), len(text))
	line := 1 + strings.Count(text[:offset], "\n")
	column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:offset], '\n')+1:offset])
	place := fmt.Sprintf("at character %d", column)
	if strings.Contains(text, "\n") {
		place = fmt.Sprintf("in line %d %s", line, place)
	}
	return fmt.Errorf("%s: %s", place, fmt.Sprintf(format, args...))
}

var parsePrefix = regexp.MustCompile(`^template: ` + name + `:\d+: `)

// syntaxError finds the action that the parser's error is about: the first that fails when the
// text ends after it.
func syntaxError(text string, err error) error {
	said := func(err error) string { return parsePrefix.ReplaceAllString(err.Error(), "") }
	open := func(err error) bool {
		return strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "unclosed action")
	}
	for end := 0; ; {
		i := strings.Index(text[end:], "}}")
		if i < 0 {
			break
		}
		end += i + len("}}")
		if _, err := parse.Parse(name, text[:end], "", "", known); err != nil && !open(err) {
			return at(text, strings.LastIndex(text[:end], "{{"), "%s", said(err))
		}
	}
	if begin := strings.LastIndex(text, "{{"); !strings.Contains(text[max(begin, 0):], "}}") {
		return at(text, begin, "this {{ has no }}")
	}
	if strings.Contains(err.Error(), "unexpected EOF") {
		return at(text, len(text), "the text ends, and an {{if}} or {{with}} has no {{end}}")
	}
	return at(text, 0, "%s", said(err))
}

var executing = regexp.MustCompile(`(?s)^template: ` + name + `:(\d+):(\d+): executing "` + name + `" at (<.*?>): (.*)$`)

// placed returns an error of rendering with its place.
func placed(text string, err error) error {
	m := executing.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	line, _ := strconv.Atoi(m[1])
	offset, _ := strconv.Atoi(m[2])
	for _, before := range strings.SplitAfter(text, "\n")[:line-1] {
		offset += len(before)
	}
	return at(text, offset, "%s: %s", m[3], m[4])
}

// checker refuses what could run for ever, and what is not there.
type checker struct {
	text  string
	kinds map[string]string

	mentions  string // if set, is only looked for
	mentioned bool
}

// check checks a node and those in it; within says that the dot is no longer the values.
func (c *checker) check(n parse.Node, within bool) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return c.all(within, nodes(n.Nodes)...)
	case *parse.ActionNode:
		return c.check(n.Pipe, within)
	case *parse.IfNode:
		return c.all(within, n.Pipe, n.List, n.ElseList)
	case *parse.WithNode:
		if err := c.all(within, n.Pipe, n.ElseList); err != nil {
			return err
		}
		return c.check(n.List, true)
	case *parse.PipeNode:
		return c.all(within, nodes(n.Cmds)...)
	case *parse.CommandNode:
		return c.all(within, nodes(n.Args)...)
	case *parse.FieldNode:
		if within && c.mentions == "" {
			return c.bad(n, "within {{with}} write $%s", n)
		}
		return c.name(n, n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return c.name(n, n.Ident[1:])
		}
		if len(n.Ident) > 1 {
			return c.bad(n, "%s has no %s", n.Ident[0], strings.Join(n.Ident[1:], "."))
		}
	case *parse.DotNode:
		if !within {
			return c.bad(n, "a value has a name, such as %s", c.known())
		}
	case *parse.RangeNode:
		return c.bad(n, "{{range}} is not allowed in a text: write {{join \", \" .list}}")
	case *parse.TemplateNode, *parse.ChainNode:
		return c.bad(n, "%s is not allowed in a text", n)
	}
	return nil
}

func nodes[N parse.Node](list []N) (all []parse.Node) {
	for _, n := range list {
		all = append(all, n)
	}
	return all
}

func (c *checker) all(within bool, all ...parse.Node) error {
	for _, n := range all {
		if v := reflect.ValueOf(n); v.Kind() == reflect.Pointer && v.IsNil() {
			continue
		}
		if err := c.check(n, within); err != nil {
			return err
		}
	}
	return nil
}

// name checks a value that the template names.
func (c *checker) name(n parse.Node, path []string) error {
	if c.mentions != "" {
		c.mentioned = c.mentioned || len(path) > 0 && path[0] == c.mentions
		return nil
	}
	if len(path) == 0 {
		return c.bad(n, "a value has a name, such as %s", c.known())
	}
	if _, ok := c.kinds[path[0]]; !ok {
		return c.bad(n, "there is no .%s:%s there is %s", path[0], suggest.DidYouMean(path[0], ".", knownNames(c.kinds)), c.known())
	}
	if len(path) > 1 {
		return c.bad(n, ".%s has no .%s", path[0], strings.Join(path[1:], "."))
	}
	return nil
}

func (c *checker) known() string {
	if len(c.kinds) == 0 {
		return "no value here"
	}
	return Names(knownNames(c.kinds))
}

func (c *checker) bad(n parse.Node, format string, args ...any) error {
	if c.mentions != "" {
		return nil
	}
	return at(c.text, int(n.Position()), format, args...)
}
