package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// cyclonedx reads what Go writes into each program of the modules that it holds.
const cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// listModules makes a program's software bill of materials, in CycloneDX. It is
// the same whoever makes it: without a serial number, a time, and the checksums of
// the tool itself, which differ from machine to machine.
func listModules(binary, version string) ([]byte, error) {
	made, err := output(nil, "go", "run", cyclonedx, "bin", "-json", "-noserial", "-notimestamp", "-std", "-version", version, binary)
	if err != nil {
		return nil, err
	}
	return withoutTool(made)
}

// withoutTool takes the checksums of the tool that made it out of a bill.
func withoutTool(made []byte) ([]byte, error) {
	var bom map[string]any
	numbers := json.NewDecoder(bytes.NewReader(made))
	numbers.UseNumber()
	if err := numbers.Decode(&bom); err != nil {
		return nil, fmt.Errorf("read the bill of materials: %w", err)
	}
	meta, _ := bom["metadata"].(map[string]any)
	tools, _ := meta["tools"].([]any)
	if len(tools) == 0 {
		return nil, fmt.Errorf("the bill of materials does not say what made it where it should, at metadata.tools")
	}
	for _, t := range tools {
		if tool, ok := t.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(bom); err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}
