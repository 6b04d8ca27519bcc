package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
)

// comments are those of types, by package and name, and of their fields: "event.Chat" and
// "event.Chat.Message".
type comments map[string]string

// readComments reads the packages in folders of the module.
func readComments(root string, folders ...string) (comments, error) {
	c := comments{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			ast.Inspect(f, func(n ast.Node) bool { c.add(f.Name.Name, n); return true })
		}
	}
	return c, nil
}

// add notes the comments of a declaration of one type.
func (c comments) add(pkg string, n ast.Node) {
	d, ok := n.(*ast.GenDecl)
	if !ok || len(d.Specs) != 1 {
		return
	}
	t, ok := d.Specs[0].(*ast.TypeSpec)
	if !ok {
		return
	}
	of := pkg + "." + t.Name.Name
	c[of] = oneLine(d.Doc)
	s, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			c[of+"."+name.Name] = oneLine(f.Comment)
			if f.Comment == nil {
				c[of+"."+name.Name] = oneLine(f.Doc)
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// of returns the comment of a type, or of one of its fields.
func (c comments) of(t reflect.Type, field string) string {
	pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
	if field == "" {
		return c[pkg+"."+t.Name()]
	}
	return c[pkg+"."+t.Name()+"."+field]
}
