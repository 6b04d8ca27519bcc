package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A slip in a key of the file or in a variable is not passed over, and the error
// names what was meant.
func TestSlipsInSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, variable, says string }{
		"key":             {file: "chanel: lounge", says: `unknown field "chanel": did you mean channel?`},
		"key below":       {file: "retention:\n  CYTUBE: {max_agee: 3d}", says: `unknown field "max_agee": did you mean retention.STREAM.max_age?`},
		"key elsewhere":   {file: "burst: 3", says: `unknown field "burst": did you mean rate.burst?`},
		"unlike any key":  {file: "nonsense: 3", says: `unknown field "nonsense"` + "\n"},
		"key too deep":    {file: "channels: [{channel: b, store: /x}]", says: `unknown field "store": it belongs at the top level of the file` + "\n"},
		"no number":       {file: "message_limit: many", says: "[1:16] this is not a whole number\n"},
		"no truth":        {file: "sync_always: maybe", says: "this is not true or false\n"},
		"rate below 0":    {file: "rate: {burst: -1, per_second: 0}", says: "a rate must not be below 0"},
		"variable":        {variable: "ROSEY_LOG_LEVLE=debug", says: "there is no variable ROSEY_LOG_LEVLE: did you mean ROSEY_LOG_LEVEL?"},
		"secret":          {variable: "ROSEY_PASSWROD=x", says: "there is no variable ROSEY_PASSWROD: did you mean ROSEY_PASSWORD?"},
		"plugin's":        {variable: "ROSEY_TRIVIA_PACK=x", says: "there is no variable ROSEY_TRIVIA_PACK: did you mean ROSEY_TRIVIA_PACKS?"},
		"empty":           {variable: "ROSEY_LOG_LEVEL=", file: "log_level: loud", says: "loud"},
		"somebody else's": {variable: "ROSEY_SERVICE_HOST=10.0.0.1", says: "there is no store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			r := roseyWith(t, []string{c.variable}, "", "replay", "--config", file, "--store", filepath.Join(dir, "store"))
			if r.code == 0 || !strings.Contains(r.stderr, c.says) {
				t.Errorf("exit code %d, %s", r.code, r.stderr)
			}
			if r.code != exitUsage && !strings.HasPrefix(name, "somebody") {
				t.Errorf("exit code %d", r.code)
			}
		})
	}
}
