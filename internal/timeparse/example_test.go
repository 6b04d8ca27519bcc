package timeparse_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/rosey-bot/rosey/internal/timeparse"
)

func ExampleParse() {
	tuesday := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, text := range []string{"8 pm tomorrow", "1h30", "fri 20:00 UTC-4"} {
		t, err := timeparse.Parse(text, tuesday, timeparse.Future)
		fmt.Println(t.Format("Mon 2 Jan 15:04 -0700"), err)
	}
	ago, err := timeparse.Parse("90m", tuesday, timeparse.Past)
	fmt.Println(ago.Format("15:04"), err)
	// Output:
	// Wed 25 Nov 20:00 +0000 <nil>
	// Tue 24 Nov 13:30 +0000 <nil>
	// Fri 27 Nov 20:00 -0400 <nil>
	// 10:30 <nil>
}

func ExampleParseSchedule() {
	tuesday := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, typed := range []string{"1h30", "every fri 20:00", "8pm Europe/Berlin", "cron 0 20 * * 5", "24/12/2026"} {
		s, err := timeparse.ParseSchedule(strings.Fields(typed), tuesday)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(strings.TrimSpace(s.After(tuesday).Format("Mon 2 Jan 15:04 MST ") + s.Every.String()))
	}
	// Output:
	// Tue 24 Nov 13:30 UTC
	// Fri 27 Nov 20:00 UTC every week
	// Tue 24 Nov 20:00 CET
	// Fri 27 Nov 20:00 UTC
	// "24/12/2026" is not a time: write for example 2h30m, fri 20:00 or 2026-12-24 20:00 Europe/Berlin
}
