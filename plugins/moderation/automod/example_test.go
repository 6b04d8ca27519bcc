package automod_test

import (
	"fmt"

	"github.com/rosey-bot/rosey/plugins/moderation/automod"
)

func ExampleJudge_Judge() {
	rules, err := automod.Compile(automod.Config{ExemptRank: 2, Links: "deny", AllowHosts: []string{"youtube.com"}, RaidStep: "kick"})
	if err != nil {
		panic(err)
	}
	var judge automod.Judge
	for _, text := range []string{"https://m.youtube.com/watch?v=x", "https://youtube.com.evil.tld/"} {
		v := judge.Judge(rules, automod.Line{User: "bob", Rank: 1, Text: text}, nil)
		fmt.Printf("%q %q\n", v.Rule, v.What)
	}
	// Output:
	// "" ""
	// "links" "youtube.com.evil.tld"
}
