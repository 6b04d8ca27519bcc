package jsondoc_test

import (
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/kvstore/jsondoc"
)

// A document is stored with its id first, each name once, and numbers as they were
// written.
func ExampleCanonical() {
	doc, err := jsondoc.Canonical([]byte(` { "votes": 1.50, "user": "al\u0069ce", "votes": 12345678901234567890 } `), "42")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", doc)
	// Output: {"id":42,"votes":12345678901234567890,"user":"al\u0069ce"}
}

func ExampleLookup() {
	value, ok := jsondoc.Lookup(`{"id":42,"user":{"name":"alice"}}`, []string{`"user"`, `"name"`})
	fmt.Println(value, ok)
	// Output: "alice" true
}

func ExampleAdd() {
	sum, err := jsondoc.Add("9007199254740993", "0.1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)
	// Output: 9007199254740993.1
}
