// Command asyncapi writes the description of the event contract, docs/asyncapi.json in the
// form of AsyncAPI 3, and the types of the SDKs that follow from it. All of it comes from
// the payload types of package event, whose comments are the descriptions.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run .

func main() {
	files, err := generate("../..")
	for path, text := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join("../..", path), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "asyncapi:", err)
		os.Exit(1)
	}
}

// generate returns the generated files by their paths in the module, whose folder is root.
func generate(root string) (map[string][]byte, error) {
	d, err := newDocument(root)
	if err != nil {
		return nil, err
	}
	text, err := d.encode()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"docs/asyncapi.json":           text,
		"sdk/node/src/contract.ts":     typeScript(d),
		"sdk/python/rosey/contract.py": python(d),
	}, nil
}
