package inspector_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/inspector"
)

func ExampleNew() {
	p := inspector.New()
	for _, c := range p.Registration().Commands {
		fmt.Printf("!%s of rank %d\n", c.Name, p.Registration().Rank(c))
	}
	// Output:
	// !inspect of rank 2
	// !inspector of rank 2
}
