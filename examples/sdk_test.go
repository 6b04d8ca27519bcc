package examples_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The tests of the SDKs run beside a real bot: the program that make test has built.
func testSDK(t *testing.T, dir string, command ...string) (output string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// verify holds a plugin to the contract. What comes while it is stopped must not wait for ack_wait.
func verify(t *testing.T, dir string, args ...string) {
	t.Helper()
	out := testSDK(t, dir, append([]string{os.Getenv("ROSEY_TEST_PROGRAM"), "plugin", "verify"}, args...)...)
	if strings.Contains(out, "on its way to it waits") {
		t.Errorf("verify %v\n%s", args, out)
	}
}

func needProgram(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a real bot, and kills a plugin for half a minute")
	}
	_, err := os.Stat(os.Getenv("ROSEY_TEST_PROGRAM"))
	need(t, err, "the tests of the SDKs need ROSEY_TEST_PROGRAM, a built rosey")
}

func TestNodeSDK(t *testing.T) {
	t.Parallel()
	needProgram(t)
	npm, err := exec.LookPath("npm")
	need(t, err, "the SDK for Node needs npm")
	_, err = os.Stat("../sdk/node/node_modules/typescript")
	need(t, err, "the packages of the SDK for Node are missing: run npm ci in sdk/node")
	testSDK(t, "../sdk/node", npm, "test")
	verify(t, "../sdk/node", "--", "node", "dist/examples/greeter.js")
}

// The client library is on the Python package index alone, which not every machine reaches.
func TestPythonSDK(t *testing.T) {
	t.Parallel()
	needProgram(t)
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.CommandContext(t.Context(), python, "-c", "import nats, nkeys").Run()
	}
	if err != nil {
		t.Skipf("the SDK for Python needs python3 and its packages: pip install 'nats-py[nkeys]': %v", err)
	}
	testSDK(t, "../sdk/python", python, "-m", "unittest", "discover", "-s", "tests", "-t", ".")
	verify(t, "../sdk/python", "--env", "PYTHONPATH=.:"+os.Getenv("PYTHONPATH"), "--", python, "examples/greeter.py")
}
