package timeparse_test

import (
	"fmt"
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
