package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// An archive is the same each time, and its program may be run.
func TestArchives(t *testing.T) {
	t.Parallel()
	files := []file{{"rosey", 0o755, []byte("program")}, {"completions/rosey.bash", 0o644, []byte("script")}}
	at := time.Date(2026, 11, 25, 20, 51, 38, 0, time.UTC)
	for name, write := range map[string]func(io.Writer, string, []file, time.Time) error{"tar": writeTar, "zip": writeZip} {
		var first, second bytes.Buffer
		if err := errors.Join(write(&first, "rosey-v1", files, at), write(&second, "rosey-v1", files, at)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("two of the same %s differ", name)
		}
		modes := map[string]string{}
		if name == "zip" {
			z, err := zip.NewReader(bytes.NewReader(first.Bytes()), int64(first.Len()))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range z.File {
				modes[f.Name] = f.Mode().String()
			}
		} else {
			z, err := gzip.NewReader(&first)
			if err != nil {
				t.Fatal(err)
			}
			for r := tar.NewReader(z); ; {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				modes[h.Name] = h.FileInfo().Mode().String()
			}
		}
		if modes["rosey-v1/rosey"] != "-rwxr-xr-x" || modes["rosey-v1/completions/rosey.bash"] != "-rw-r--r--" || len(modes) != 2 {
			t.Errorf("%s: %v", name, modes)
		}
	}
}

// A bill of materials tells nothing of the machine that it was made on.
func TestWithoutTool(t *testing.T) {
	t.Parallel()
	got, err := withoutTool([]byte(`{"version":1,"metadata":{"tools":[{"name":"gomod","hashes":[{"alg":"MD5","content":"here"}]}]},"components":[{"hashes":[{"alg":"SHA-256","content":"kept"}],"purl":"a?b&c"}]}`))
	if err != nil || strings.Contains(string(got), "here") || !strings.Contains(string(got), "kept") || !strings.Contains(string(got), "a?b&c") {
		t.Errorf("%v: %s", err, got)
	}
	if _, err := withoutTool([]byte(`{"metadata":{"tools":{"components":[]}}}`)); err == nil {
		t.Error("a bill of another shape was taken")
	}
}
