package jsondoc

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds the length of a sum, and the exponents of what is added.
const maxDigits = 400

// Add adds two JSON numbers exactly. It returns an error where the sum would have
// hundreds of digits.
func Add(a, b string) (string, error) {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if sum := x + y; errX == nil && errY == nil && (sum > x) == (y > 0) {
		return strconv.FormatInt(sum, 10), nil
	}
	sum := new(big.Rat)
	for _, number := range []string{a, b} {
		_, digits, exponent := Decimal(number)
		if digits == "" {
			continue // 0e9000 is 0
		}
		n, ok := new(big.Rat), false
		if max(exponent, len(digits)-exponent) <= maxDigits {
			n, ok = n.SetString(number)
		}
		if !ok {
			return "", errors.New("is too far from the number to add for an exact sum")
		}
		sum.Add(sum, n)
	}
	decimals, _ := sum.FloatPrec() // always exact: both are decimal
	return sum.FloatString(decimals), nil
}

// Decimal returns a number as 0.d × 10^exponent, where its digits d have no zeros at
// either end. Zero has no digits.
func Decimal(literal string) (negative bool, digits string, exponent int) {
	if i := strings.IndexAny(literal, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(literal[i+1:]) // Parse bounds it
		literal = literal[:i]
	}
	whole, fraction, _ := strings.Cut(literal, ".")
	whole, negative = strings.CutPrefix(whole, "-")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent += len(digits) - len(fraction)
	return negative, strings.TrimRight(digits, "0"), exponent
}
