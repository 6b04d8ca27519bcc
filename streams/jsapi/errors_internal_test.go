package jsapi

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

func TestErrorCodesAreTheServers(t *testing.T) {
	t.Parallel()
	for code, want := range map[jetstream.ErrorCode]server.ErrorIdentifier{
		codeAccountResources: server.JSAccountResourcesExceededErr,
		codeClusterNoPeers:   server.JSClusterNoPeersErrF,
		codeInsufficient:     server.JSInsufficientResourcesErr,
		codeMemoryResources:  server.JSMemoryResourcesExceededErr,
		codeStorageResources: server.JSStorageResourcesExceededErr,
		codeStreamCreate:     server.JSStreamCreateErrF,
		codeStoreFailed:      server.JSStreamStoreFailedF,
		codeHeaderTooLarge:   server.JSStreamHeaderExceedsMaximumErr,
		codeMsgInProcess:     server.JSStreamDuplicateMessageConflict,
	} {
		if uint16(code) != uint16(want) {
			t.Errorf("code %d should be %d", code, want)
		}
	}
}
