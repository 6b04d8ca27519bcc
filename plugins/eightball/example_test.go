package eightball_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/eightball"
)

func Example() {
	sides := map[eightball.Tone]int{}
	for _, answer := range eightball.Answers {
		sides[answer.Tone]++
	}
	fmt.Println(sides[eightball.Yes], sides[eightball.Maybe], sides[eightball.No])
	// Output: 10 5 5
}
