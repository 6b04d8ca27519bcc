package trivia

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// matches are answers that are right, by "|", lines that hold one of them, and lines that do not.
var matches = []struct {
	answers string
	yes, no []string
}{
	{"Canberra", []string{"canberra", "CANBERRA!", " Canberra ", "is it canberra?", "I think it's Canberra", "canbera", "cnaberra", "um, maybe Canberra"},
		[]string{"sydney", "canber", "", "?", "not canberra", "canberra or sydney", "cabrera"}},
	{"The Beatles|Beatles", []string{"beatles", "the beatles", "The Beetles"}, []string{"the", "beat"}},
	{"García Márquez", []string{"garcia marquez", "Garcia-Marquez", "GARCIA MARQUES"}, []string{"garcia"}},
	{"Henry VIII|Henry the Eighth|Henry 8", []string{"henry viii", "Henry the eighth", "henry 8", "henry eight"}, []string{"henry vii", "henry 7", "henry"}},
	{"8", []string{"8", "eight", "8!", "its 8", "Eight."}, []string{"9", "18", "88", "nine"}},
	{"1945", []string{"1945", "it was 1945"}, []string{"1944", "19455", "194"}},
	{"3.14", []string{"3.14", "3,14", "3.140", "it's 3.14!", "3.14.", "03.14", "３.１４"}, []string{"314", "3 14", "-3.14", "3.1", "3.14.15"}},
	{"-5", []string{"-5", "is it -5?", "−5", "-5.0", "–5"}, []string{"5", "five", "- 5 5", "55", "3-5"}},
	{"5", []string{"5", "5.0", "five", "5."}, []string{"-5", "0.5", ".5", "50"}},
	{"0.5", []string{"0.5", ".5", "0,5", "1/2", "2/4"}, []string{"5", "05", "12", "-0.5", "1/3", "1/0"}},
	{"1/2", []string{"0.5", "1/2"}, []string{"1", "2", "12", "1 2"}},
	{"1", []string{"1", "one", "1/1"}, []string{"1/2", "11", "one two"}},
	{"7", []string{"7", "seven"}, []string{"0.7", "-7", "7/8", "seventy"}},
	{"1,000", []string{"1000", "1,000", "1000.0", "1 000", "1\u202f000", "1’000", "one thousand", "a thousand"}, []string{"1.000", "1", "100", "-1000", "1 00"}},
	{"1000", []string{"1000", "1,000", "1 000", "one thousand"}, []string{"1.000", "100", "1 00", "-1000"}},
	{"1 000", []string{"1000", "1,000", "one thousand"}, []string{"1", "1.0"}},
	{"twenty one", []string{"21", "twenty-one", "twenty one"}, []string{"20", "1"}},
	{strings.Repeat("ж", 59) + " " + strings.Repeat("щ", 60), []string{strings.Repeat("Ж", 59) + " " + strings.Repeat("щ", 60)}, []string{strings.Repeat("ж", 59)}},
	{"one thousand", []string{"1000", "1,000", "1 000"}, []string{"one", "thousand and one"}},
	{"1 000 000", []string{"1000000", "one million", "1,000,000", "1 million"}, []string{"1000", "one billion"}},
	{"21", []string{"21", "twenty-one", "twenty one", "Twenty One!"}, []string{"20 1", "twenty", "twenty-two", "2 1"}},
	{"twenty-one", []string{"21", "twenty one"}, []string{"20", "1"}},
	{"1969", []string{"one thousand nine hundred and sixty nine", "1,969"}, []string{"nineteen sixty eight"}},
	{"365", []string{"three hundred and sixty-five", "three hundred sixty five"}, []string{"three hundred and sixty-four", "356"}},
	{"Twenty One Pilots", []string{"twenty one pilots", "21 pilots"}, []string{"20 pilots"}},
	{"Catch-22", []string{"catch 22", "catch twenty-two"}, []string{"catch 21"}},
	{"P!nk", []string{"P!nk", "p!nk", "pnk"}, []string{"pn"}},
	{"3:10 to Yuma", []string{"3:10 to yuma", "3 10 to Yuma"}, []string{"310 to yuma", "3:11 to yuma"}},
	{"Straße", []string{"strasse", "STRASSE", "Straße"}, []string{"strase r"}},
	{"Ægir", []string{"aegir", "ægir"}, nil},
	{"กรุงเทพ", []string{"กรุงเทพ", "กรุง เทพ"}, []string{"กทม"}},
	{"नई दिल्ली", []string{"नई दिल्ली", "नई\u200bदिल्ली"}, []string{"नई दल"}},
	{strings.Repeat("слово ", 15) + "конец", []string{strings.Repeat("слово ", 15) + "конец"}, nil},
	{"12,742 km", []string{"12742 km", "12,742km", "12742km"}, []string{"12.742 km", "12 742.5 km", "-12742 km"}},
	{"1939-1945", []string{"1939-1945", "1939 1945", "1939–1945"}, []string{"19391945"}},
	{"Apollo 11", []string{"apollo11", "Apollo-11"}, []string{"apollo 1 1", "apollo 1.1"}},
	{"-40 degrees", []string{"-40 degrees", "-40degrees"}, []string{"40 degrees"}},
	{"Au", []string{"au", "AU"}, []string{"ag", "a"}},
	{"Gambia", []string{"gambia", "gambie"}, []string{"zambia"}},
	{"Iran", []string{"iran"}, []string{"iraq", "irab"}},
	{"Australia", []string{"austrlia"}, []string{"austria"}},
	{"H2O", []string{"h2o"}, []string{"h20"}},
	{"Carbon dioxide|CO2", []string{"co2", "carbon dioxyde", "carbondioxide"}, []string{"carbon monoxide", "carbon"}},
	{"Ice hockey|Hockey", []string{"icehockey", "hockey"}, []string{"ice"}},
	{"Pan's Labyrinth", []string{"pans labyrinth", "Pan’s labyrinth"}, nil},
	{"Łódź", []string{"lodz", "Łódź"}, nil},
	{"Simon & Garfunkel", []string{"simon and garfunkel"}, nil},
	{"A Trip to the Moon|Trip to the Moon", []string{"trip to the moon", "a trip to the moon"}, []string{"the moon"}},
	{"Московский метрополитен", []string{"московский метрополитен"}, nil},
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range matches {
		answers := strings.Split(c.answers, "|")
		for _, line := range c.yes {
			if !Matches(line, answers) {
				t.Errorf("%q does not match %q", line, c.answers)
			}
		}
		for _, line := range c.no {
			if Matches(line, answers) {
				t.Errorf("%q matches %q", line, c.answers)
			}
		}
	}
	if Matches(strings.Repeat("canberra ", 50), []string{"Canberra"}) {
		t.Error("a long line matches")
	}
}

// Every answer of the shipped pack matches itself, in any case, and with a
// letter too many in its middle where it is a long word.
func TestAnswersMatchThemselves(t *testing.T) {
	t.Parallel()
	pool, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.SampledFrom(pool).Draw(t, "question")
		a := rapid.SampledFrom(q.Answers).Draw(t, "answer")
		for _, line := range []string{a, strings.ToUpper(a), strings.ToLower(a), "the " + a, a + "!!", "is it " + a + "?"} {
			if !Matches(line, q.Answers) {
				t.Fatalf("%q does not match %q", line, q.Answers)
			}
		}
		if r := []rune(normal(a)); len(r) >= 5 && !strings.ContainsFunc(normal(a), unicode.IsDigit) {
			i := rapid.IntRange(1, len(r)).Draw(t, "place")
			if line := string(r[:i]) + "x" + string(r[i:]); !Matches(line, []string{a}) {
				t.Fatalf("%q does not match %q", line, a)
			}
		}
	})
}

func FuzzMatches(f *testing.F) {
	f.Add("is it the Canberra?", "Canberra")
	f.Add("ｆｕｌｌ　ｗｉｄｔｈ", "full width")
	f.Fuzz(func(t *testing.T, line, answer string) {
		got := Matches(line, []string{answer})
		if !tooLong(line) && normal(line) == normal(answer) && normal(answer) != "" && !got {
			t.Errorf("%q does not match %q", line, answer)
		}
		for level := 1; level <= 2 && normal(answer) != ""; level++ {
			if shown := hint(answer, level); !strings.Contains(shown, "•") && !strings.Contains(shown, " letter") && !strings.Contains(shown, " digit") {
				t.Errorf("the hint %q of %q hides nothing", shown, answer)
			}
		}
	})
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"abc", "abc"}: 0, {"abc", "abd"}: 1, {"abc", "ab"}: 1, {"abc", "acb"}: 1, {"abc", "abcd"}: 1, {"abc", "bca"}: 2, {"", "ab"}: 2, {"abc", "xyz"}: 3,
	} {
		if got := distance([]rune(pair[0]), []rune(pair[1]), 5); got != want {
			t.Errorf("distance %q is %d, want %d", pair, got, want)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string][2]string{
		"Canberra":        {"C•••••••", "C•n•e•r•"},
		"World Wide Web":  {"W•••• W••• W••", "W•r•d W•d• W•b"},
		"Moby-Dick":       {"M•••-D•••", "M•b•-D•c•"},
		"1945":            {"4 digits", "4 digits, the first is 1"},
		"8":               {"1 digit", "an even digit"},
		"7":               {"1 digit", "an odd digit"},
		"3.14":            {"3 digits", "3 digits, the first is 3"},
		"Infinity":        {"I•••••••", "I•f•n•t•"},
		"Inf":             {"I••", "I•f"},
		"NaN":             {"N••", "N•N"},
		"1e9":             {"1••", "1•9"},
		"Au":              {"2 letters", "2 letters, the first is A"},
		"X":               {"1 letter", "a single letter"},
		"P!nk":            {"P!••", "P!n•"},
		"3:10":            {"3:••", "3:1•"},
		"A B C":           {"A • •", "A B •"},
		"U.S.":            {"2 letters", "2 letters, the first is U"},
		"K-9":             {"2 letters", "2 letters, the first is K"},
		"C++":             {"1 letter", "a single letter"},
		"-5":              {"1 digit", "an odd digit"},
		"1,000":           {"1,•••", "1,0••"},
		"Cafe\u0301":      {"C•••", "C•f•"},
		"e\u0301te\u0301": {"e\u0301••", "e\u0301•e\u0301"},
		"東京都":             {"東••", "東•都"},
		"दिल्ली":          {"दि••", "दि•ली"},
	} {
		if got := [2]string{hint(answer, 1), hint(answer, 2)}; got != want {
			t.Errorf("hints of %s are %q, want %q", answer, got, want)
		}
	}
}
