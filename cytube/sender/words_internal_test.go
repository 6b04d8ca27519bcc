package sender

import (
	"math/rand/v2"
	"testing"

	"github.com/rosey-bot/rosey/internal/texttemplate"
)

// What is said of a private message that was not delivered is what the text of package texts says.
func TestUndeliveredInWords(t *testing.T) {
	t.Parallel()
	text, err := texttemplate.Parse(`{{if .own}}{{.user}}: a private message of mine did not reach you.{{else}}⚠️ My private message to {{.to}} `+
		`{{if .unsure}}may not have arrived{{else}}was not delivered{{end}}: {{.reason}}{{end}}`, []string{"user", "to", "own:bool", "unsure:bool", "reason"})
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []bool{false, true} {
		for _, unsure := range []bool{false, true} {
			p := undelivered("mod", "alice", own, unsure, "gone")
			if got, err := text.Render(p.Values, rand.New(rand.NewPCG(0, 0))); err != nil || got != p.Message {
				t.Errorf("said %q, %v, want %q", got, err, p.Message)
			}
		}
	}
}
