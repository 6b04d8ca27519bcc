// Command release builds the program for every platform, in archives that are the
// same bit by bit whoever builds them from the same commit with the same Go, and
// checks the licences of what goes into them. It is run by make release and make
// licences, at the root of a checkout.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// targets are the platforms, as GOOS/GOARCH.
var targets = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}

// documents go into every archive, beside the program.
var documents = []string{"README.md", "LICENSE", "CHANGELOG.md", "deploy/rosey.service"}

func main() {
	version := flag.String("version", "", "build this version; the commit's when empty")
	out := flag.String("out", "dist", "write into this directory")
	licences := flag.Bool("licences", false, "only list the licences of what is linked in, and fail for one that is not known to fit")
	flag.Parse()
	var err error
	if *licences {
		err = listLicences(os.Stdout)
	} else {
		err = build(*version, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A file of an archive.
type file struct {
	name string
	mode int64
	body []byte
}

// A source is what a release is made from.
type source struct {
	version, commit string
	time            time.Time // of the commit
	modified        bool      // files differ from the commit's
}

// checkout reads the source; an empty version is the commit's.
func checkout(version string) (s source, err error) {
	git := func(args ...string) string {
		if err != nil {
			return ""
		}
		var out []byte
		out, err = output(nil, "git", args...)
		return strings.TrimSpace(string(out))
	}
	s.version = version
	if version == "" {
		s.version = git("describe", "--tags", "--always", "--dirty")
	}
	s.commit, s.modified = git("rev-parse", "HEAD"), git("status", "--porcelain") != ""
	at := git("log", "-1", "--format=%ct")
	if err != nil {
		return s, err
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return s, fmt.Errorf("read the commit's time: %w", err)
	}
	s.time = time.Unix(seconds, 0).UTC()
	return s, nil
}

func build(version, out string) error {
	from, err := checkout(version)
	if err != nil {
		return err
	}
	if from.modified {
		fmt.Fprintln(os.Stderr, "release: the checkout has changes that are not committed; nobody else can build the same")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rosey-release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	extra, err := common(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, target := range targets {
		paths, err := from.build(target, dir, out, extra)
		if err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		for _, path := range paths {
			body, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := fmt.Sprintf("%x  %s\n", sha256.Sum256(body), filepath.Base(path))
			sums.WriteString(sum)
			fmt.Printf("%9d  %s", len(body), sum)
		}
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// common are the files that are the same for every platform; it works in dir.
func common(dir string) ([]file, error) {
	var files []file
	for _, name := range documents {
		body, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{filepath.Base(name), 0o644, body})
	}
	program := filepath.Join(dir, "rosey")
	if _, err := output(nil, "go", "build", "-o", program, "./cmd/rosey"); err != nil {
		return nil, err
	}
	for _, made := range []struct {
		name string
		args []string
	}{
		{"rosey.1", []string{"man"}},
		{"completions/rosey.bash", []string{"completion", "bash"}}, {"completions/_rosey", []string{"completion", "zsh"}}, {"completions/rosey.fish", []string{"completion", "fish"}},
	} {
		// The page must not tell the builder's own folders.
		body, err := output([]string{"HOME=~", "XDG_STATE_HOME=", "XDG_CONFIG_HOME="}, program, made.args...)
		if err != nil {
			return nil, err
		}
		files = append(files, file{made.name, 0o644, body})
	}
	return files, nil
}

// build makes a platform's archive and the list of the modules in its program.
func (s source) build(target, dir, out string, extra []file) (paths []string, err error) {
	goos, goarch, _ := strings.Cut(target, "/")
	name := fmt.Sprintf("rosey-%s-%s-%s", s.version, goos, goarch)
	program := "rosey"
	if goos == "windows" {
		program += ".exe"
	}
	binary := filepath.Join(dir, name, program)
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return nil, err
	}
	set := fmt.Sprintf("-X github.com/rosey-bot/rosey/internal/version.release=%s -X github.com/rosey-bot/rosey/internal/version.commit=%s -X github.com/rosey-bot/rosey/internal/version.commitTime=%s -X github.com/rosey-bot/rosey/internal/version.modified=%t",
		s.version, s.commit, s.time.Format(time.RFC3339), s.modified)
	_, err = output([]string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch, "GOFLAGS="}, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= "+set, "-o", binary, "./cmd/rosey")
	if err != nil {
		return nil, err
	}
	body, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	path, write := filepath.Join(out, name+".tar.gz"), writeTar
	if goos == "windows" {
		path, write = filepath.Join(out, name+".zip"), writeZip
	}
	var b bytes.Buffer
	if err := write(&b, name, append([]file{{program, 0o755, body}}, extra...), s.time); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return nil, err
	}
	list := filepath.Join(out, name+".cdx.json")
	bom, err := listModules(binary, s.version)
	if err != nil {
		return nil, err
	}
	return []string{path, list}, os.WriteFile(list, bom, 0o644)
}

func writeTar(w io.Writer, folder string, files []file, at time.Time) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: folder + "/" + f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: at, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(f.body); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func writeZip(w io.Writer, folder string, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: folder + "/" + f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		to, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := to.Write(f.body); err != nil {
			return err
		}
	}
	return z.Close()
}

// licence tells one by a phrase that only it has, looked for in this order.
var licence = []struct{ name, phrase string }{
	{"Apache-2.0", "Apache License"},
	{"MPL-2.0", "Mozilla Public License"},
	{"GPL", "GNU GENERAL PUBLIC LICENSE"},
	{"AGPL", "GNU AFFERO"},
	{"LGPL", "GNU LESSER"},
	{"BSD", "Redistribution and use in source and binary forms"},
	{"MIT", "Permission is hereby granted, free of charge"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "Permission to use, copy, modify, and distribute this software"},
	{"Unlicense", "This is free and unencumbered software"},
}

// fitting are the licences that a program under the Apache License may contain.
var fitting = []string{"Apache-2.0", "BSD", "MIT", "ISC", "MPL-2.0", "Unlicense"}

// listLicences lists the modules that are linked into the program.
func listLicences(w io.Writer) error {
	list, err := output(nil, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "./cmd/rosey")
	if err != nil {
		return err
	}
	modules := strings.Split(strings.TrimSpace(string(list)), "\n")
	slices.Sort(modules)
	var misfits []string
	for _, m := range slices.Compact(modules) {
		f := strings.Fields(m)
		if len(f) < 3 {
			continue
		}
		name := licenceOf(strings.Join(f[2:], " "))
		fmt.Fprintf(w, "%-12s %s %s\n", name, f[0], f[1])
		if !slices.Contains(fitting, name) {
			misfits = append(misfits, f[0]+" ("+name+")")
		}
	}
	if len(misfits) > 0 {
		return fmt.Errorf("licences that do not fit or are not known: %s", strings.Join(misfits, ", "))
	}
	return nil
}

func licenceOf(dir string) string {
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "License*"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				continue
			}
			line := strings.Join(strings.Fields(string(text)), " ")
			for _, l := range licence {
				if strings.Contains(line, l.phrase) {
					return l.name
				}
			}
		}
	}
	return "unknown"
}

// output runs a program with more variables in its environment.
func output(env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return b, nil
}
