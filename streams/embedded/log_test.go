package embedded_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rosey-bot/rosey/streams/embedded"
)

// lines is a log whose lines can be received.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default: // the test has what it waited for
	}
	return len(b), nil
}

// A stream that is recovered before the one that it sources is no warning.
func TestSourceThatIsNotRecoveredYet(t *testing.T) {
	t.Parallel()
	log := make(lines, 1000)
	s, err := embedded.Start(embedded.Config{Store: t.TempDir(), Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "FIRST", Sources: []*jetstream.StreamSource{{Name: "SECOND"}}}); err != nil {
		t.Fatal(err)
	}
	for line := range log {
		if strings.Contains(line, "create source consumer SECOND") {
			if !strings.Contains(line, "level=DEBUG") {
				t.Error(line)
			}
			return
		}
	}
}
