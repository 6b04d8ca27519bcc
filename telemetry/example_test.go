package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/rosey-bot/rosey/telemetry"
	"github.com/rosey-bot/rosey/telemetry/propagation"
)

// A process sets telemetry up as OpenTelemetry's variables say, and shuts it down when
// its work is done.
func ExampleSetup() {
	ctx := context.Background()
	tel, err := telemetry.Setup(ctx, telemetry.Config{Service: "my-bot", Version: "1.0.0", Logger: slog.Default()})
	if err != nil {
		fmt.Println(err) // names the variable that is wrong
		return
	}
	defer tel.Shutdown(ctx)
	_, span := propagation.StartSpan(ctx, tel.Tracer("my-bot"), "refresh the playlist", "")
	defer span.End()
	fmt.Println(len(tel.Targets), span.IsRecording())
	// Output: 0 false
}

// Each line that is logged while an event is handled has the event's IDs; secrets are
// not written.
func ExampleNewLogger() {
	log, err := telemetry.NewLogger(os.Stdout, "info", "text")
	if err != nil {
		fmt.Println(err)
		return
	}
	log = slog.New(withoutTime{log.Handler()})
	ctx := propagation.WithCorrelation(context.Background(), "550e8400-e29b-41d4-a716-446655440000")
	log.InfoContext(ctx, "logged in", "user", "rosey", "password", telemetry.NewSecret("hunter2"))
	// Output: level=INFO msg="logged in" user=rosey password=[redacted] correlation_id=550e8400-e29b-41d4-a716-446655440000 trace_id=550e8400e29b41d4a716446655440000
}

type withoutTime struct{ slog.Handler }

func (h withoutTime) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}
