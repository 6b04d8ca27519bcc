package query_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rosey-bot/rosey/event"
	"github.com/rosey-bot/rosey/kvstore/query"
)

// A view answers queries from the records that were applied to it, and makes the
// indexes that they ask for.
func ExampleView() {
	v := query.NewView(1 << 20)
	for id, data := range map[event.ID]string{
		"1": `{"id":1,"user":"alice","votes":3}`,
		"2": `{"id":2,"user":"bob","votes":5}`,
		"3": `{"id":3,"user":"alice","votes":7}`,
	} {
		v.Apply(id, &query.Row{ID: id, Revision: 1, Data: data})
	}
	q, err := query.Parse(event.Query{Filter: []byte(`{"user":"alice"}`), OrderBy: "votes DESC"})
	if err != nil {
		log.Fatal(err)
	}
	result, err := v.Run(context.Background(), q)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range result.Rows {
		fmt.Println(r.Data)
	}
	fmt.Println(result.Count, "by", result.Explain.Plan, result.Explain.Index)
	// Output:
	// {"id":3,"user":"alice","votes":7}
	// {"id":1,"user":"alice","votes":3}
	// 2 by index user, votes DESC, id
}

func ExampleParseFilter() {
	_, err := query.ParseFilter([]byte(`{"votes":{"$above":3}}`))
	fmt.Println(event.CodeOf(err))
	f, err := query.ParseFilter([]byte(`{"votes":{"$gt":3},"$or":[{"user":"alice"},{"user":{"$like":"b%"}}]}`))
	if err != nil {
		log.Fatal(err)
	}
	var scratch []byte
	fmt.Println(f.Matches(`{"id":2,"user":"bob","votes":5}`, &scratch))
	// Output:
	// INVALID_INPUT
	// true
}
