package trivia_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/trivia"
)

func ExampleMatches() {
	for _, line := range []string{"is it 1,000?", "one thousand", "100"} {
		fmt.Println(trivia.Matches(line, []string{"1000"}))
	}
	// Output:
	// true
	// true
	// false
}
