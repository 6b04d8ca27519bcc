package version

import "testing"

// platform.startup has 1.0.0, as the contract writes it, and not the release's tag.
func TestSemanticVersion(t *testing.T) {
	t.Parallel()
	for of, want := range map[string]string{"v1.0.0": "1.0.0", "1.0.0-dev": "1.0.0-dev", "v1.1.0-3-gb0a8708": "1.1.0-3-gb0a8708", "": ""} {
		if got := semantic(of); got != want {
			t.Errorf("%q is %q, want %q", of, got, want)
		}
	}
}
