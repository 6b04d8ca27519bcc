package quotedb_test

import (
	"fmt"
	"time"

	"github.com/rosey-bot/rosey/plugins/quotedb"
)

func ExampleQuote_String() {
	q := quotedb.Quote{ID: "7", Text: "use `x`, ~~not~~ y", User: "bob", Timestamp: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Unix()}
	fmt.Println(q)
	// Output: 📖 #7: “use `x`, ~~not~~ y” — bob, 2026-11-24
}
