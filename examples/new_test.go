package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What rosey plugin new --lang node writes answers, once, whatever happens to it.
func TestNewNodePlugin(t *testing.T) {
	t.Parallel()
	needProgram(t)
	_, err := exec.LookPath("npm")
	need(t, err, "a new plugin for Node needs npm")
	sdk, err := filepath.Abs("../sdk/node")
	if err == nil {
		_, err = os.Stat(filepath.Join(sdk, "node_modules/typescript"))
	}
	need(t, err, "the packages of the SDK for Node are missing: run npm ci in sdk/node")
	dir := filepath.Join(t.TempDir(), "greeter")
	testSDK(t, "..", os.Getenv("ROSEY_TEST_PROGRAM"), "plugin", "new", "greeter", dir, "--lang", "node", "--replace", sdk)
	testSDK(t, sdk, filepath.Join(sdk, "node_modules/.bin/tsc"), "--outDir", filepath.Join(dir, "node_modules/@rosey-bot/plugin/dist"))
	copyInto(t, filepath.Join(sdk, "package.json"), filepath.Join(dir, "node_modules/@rosey-bot/plugin/package.json"))
	if err := os.Symlink(filepath.Join(sdk, "node_modules/@nats-io"), filepath.Join(dir, "node_modules/@nats-io")); err != nil {
		t.Fatal(err)
	}
	testSDK(t, dir, "make", "check", "ROSEY="+os.Getenv("ROSEY_TEST_PROGRAM"))
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
