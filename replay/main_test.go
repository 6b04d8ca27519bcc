package replay

import (
	"flag"
	"testing"

	"github.com/rosey-bot/rosey/streams/streamstest"
)

func TestMain(m *testing.M) {
	// Each check goes through a real server. The command line still decides.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	streamstest.Main(m)
}
