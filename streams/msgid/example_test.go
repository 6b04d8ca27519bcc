package msgid_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/streams/msgid"
	"github.com/rosey-bot/rosey/streams/streamstest"
)

// Processes that share the store's secret make the same message ID, which nobody else can.
func ExampleSigner() {
	ctx := context.Background()
	bus, stop := streamstest.ExampleBus()
	defer stop()
	signer, err := msgid.OpenSigner(ctx, bus.JetStream(), 1)
	if err != nil {
		log.Fatal(err)
	}
	other, err := msgid.ReadSigner(ctx, bus.JetStream())
	if err != nil {
		log.Fatal(err)
	}
	id := signer.Sign("plugin-dice/PLUGIN:7/1")
	fmt.Println(id == other.Sign("plugin-dice/PLUGIN:7/1"), other.Verify(id), other.Verify("plugin-dice/PLUGIN:7/1"))
	// Output: true true false
}
