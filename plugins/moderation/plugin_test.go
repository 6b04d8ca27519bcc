package moderation

import "testing"

// The plugin is one that a bot takes.
func TestPlugin(t *testing.T) {
	t.Parallel()
	if err := New().Validate(); err != nil {
		t.Fatal(err)
	}
}
