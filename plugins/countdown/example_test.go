package countdown_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/plugins/countdown"
)

func ExampleParseWhen() {
	tuesday := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, typed := range []string{"1h30", "fri 20:00 weekly", "8pm Europe/Berlin", "24/12/2026"} {
		s, err := countdown.ParseWhen(strings.Fields(typed), tuesday)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(strings.TrimSpace(s.First.Format("Mon 2 Jan 15:04 MST ") + s.Every.String()))
	}
	// Output:
	// Tue 24 Nov 13:30 UTC
	// Fri 27 Nov 20:00 UTC every week
	// Tue 24 Nov 20:00 CET
	// "24/12/2026" is not a time: write for example 2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin
}
