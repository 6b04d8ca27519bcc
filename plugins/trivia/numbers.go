package trivia

import "strconv"

var numberWords = map[string]int{
	"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
	"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
	"eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
	"eighty": 80, "ninety": 90,
}

var romanNumerals = map[string]int{ // which distinguish kings
	"ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "xi": 11, "xii": 12, "xiii": 13, "xiv": 14, "xv": 15, "xvi": 16,
}

var magnitudes = map[string]int{"thousand": 1e3, "million": 1e6, "billion": 1e9}

// digits returns words with those that are numbers in digits: two hundred and one as 201.
func digits(words []string) (out []string) {
	for len(words) > 0 {
		if n, used := readNumber(words); used > 0 {
			out = append(out, strconv.Itoa(n))
			words = words[used:]
			continue
		}
		word := words[0]
		if n, ok := romanNumerals[word]; ok {
			word = strconv.Itoa(n)
		}
		out, words = append(out, word), words[1:]
	}
	return out
}

// readNumber returns the number in the first words, and how many they are.
func readNumber(words []string) (n, used int) {
	total, group, last := 0, 0, 1000 // of the group below a thousand; last is its last part's size
	for i, w := range words {
		unit, isUnit := numberWords[w]
		if i == 0 && !isUnit { // 2 million, hundred
			number, err := strconv.Atoi(w)
			switch {
			case err == nil && number < 1000 && len(words) > 1 && magnitudes[words[1]] > 0:
				unit, isUnit = number, true
			case w == "hundred" || magnitudes[w] > 0:
				group = 1
			}
		}
		switch {
		case isUnit && (group == 0 || last == 100 || last == 10 && unit < 10 && unit > 0):
			group += unit
			last = 1
			if unit >= 20 && unit%10 == 0 {
				last = 10
			}
		case w == "hundred" && 0 < group && group < 10:
			group, last = group*100, 100
		case magnitudes[w] > 0 && group > 0 && (total == 0 || total%(magnitudes[w]*1000) == 0):
			total, group, last = total+group*magnitudes[w], 0, 1000
		case w == "and" && i > 0 && i+1 < len(words) && (last == 100 || last == 1000):
			if _, follows := numberWords[words[i+1]]; follows {
				continue
			}
			return total + group, used
		default:
			return total + group, used
		}
		used = i + 1
	}
	return total + group, used
}
