package diceroller_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/diceroller"
)

func ExampleParse() {
	dice, err := diceroller.Parse("4D6 dl1 + 2")
	fmt.Println(dice, err)
	_, err = diceroller.Parse("1d6 2")
	fmt.Println(err)
	// Output:
	// 4d6kh3+2 <nil>
	// I cannot read "2": put + or - between terms, as in 2d6+3
}
